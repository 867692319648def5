import { createHash, generateKeyPairSync, verify, type KeyObject } from 'node:crypto';
import { loadLibraries, type Grpc, type UnaryAnswer, type UnaryCall, type Wire, type WireAccount, type WireBody, type WireTransactionId } from './libraries.ts';
import { startMirror, type Mirror } from './mirror-server.ts';

/** A message that reached consensus. */
export interface TopicMessage {
  sequence: number;
  bytes: Buffer;
  runningHash: Buffer;
  /** Nanoseconds since the epoch. */
  consensusAt: bigint;
  transactionId: string;
  chunk: { initialTransactionId: string; number: number; total: number } | null;
}

/**
 * What goes wrong with one submission. `busy`: the node says BUSY. `unreachable`: nothing is taken, the connection breaks.
 * `lost answer`: it is taken, and the connection breaks. `silent`: it is taken, and nothing is ever answered. A status: the
 * receipt says that one, and nothing reaches the topic; or the precheck does, whatever came before.
 */
export type Fault = 'busy' | 'unreachable' | 'lost answer' | 'silent' | { receipt: string } | { precheck: string };

/** A network of one node on a port of its own, with one topic and one account, and its mirror node. */
export interface TestNetwork {
  /** As HEDERA_NETWORK names it. */
  network: string;
  mirror: Mirror;
  accountId: string;
  /** DER, hex. */
  privateKey: string;
  topicId: string;
  messages: TopicMessage[];
  /** Every submission that arrived, also those that were refused, with the answer of the precheck. */
  submissions: { transactionId: string; status: string }[];
  /** Asked for each submission, in order of arrival. */
  fault: (number: number, transactionId: string) => Fault | null;
  close(): Promise<void>;
}

const payer = '0.0.1001';
const nodeAccount = '0.0.3';
const topic = '0.0.5005';

/** Starts a network that takes nothing that a real one would refuse: signatures, times, ids and parts are all checked. */
export async function startNetwork(): Promise<TestNetwork> {
  const { grpc, wire } = loadLibraries();
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const messages: TopicMessage[] = [];
  const mirror = await startMirror(topic, messages);
  const state: TestNetwork = {
    network: '', mirror, accountId: payer, privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('hex'), topicId: topic,
    messages, submissions: [], fault: () => null, close: async () => undefined,
  };
  const node = new Node(wire, grpc, publicKey, state);
  const server = new grpc.Server();
  const serve = (service: string, methods: Record<string, (call: UnaryCall, answer: UnaryAnswer) => void>): void => {
    const same = (bytes: unknown): unknown => bytes;
    const definition = Object.fromEntries(Object.keys(methods).map((name) => [name, {
      path: `/${service}/${name}`, requestStream: false, responseStream: false, requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
    }]));
    server.addService(definition, methods);
  };
  serve('proto.ConsensusService', { submitMessage: (call, answer) => node.submit(call.request, answer) });
  serve('proto.CryptoService', { getTransactionReceipts: (call, answer) => node.receipt(call.request, answer) });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  state.network = `127.0.0.1:${port}=${nodeAccount}`;
  state.close = async () => {
    server.forceShutdown();
    await mirror.close();
  };
  return state;
}

class Node {
  readonly #wire: Wire;
  readonly #grpc: Grpc;
  readonly #publicKey: KeyObject;
  readonly #state: TestNetwork;
  readonly #receipts = new Map<string, object>();
  #runningHash = Buffer.alloc(48);
  #lastConsensus = 0n;

  constructor(wire: Wire, grpc: Grpc, publicKey: KeyObject, state: TestNetwork) {
    this.#wire = wire;
    this.#grpc = grpc;
    this.#publicKey = publicKey;
    this.#state = state;
  }

  submit(request: Buffer, answer: UnaryAnswer): void {
    const { bodyBytes, sigMap } = this.#wire.SignedTransaction.decode(this.#wire.Transaction.decode(request).signedTransactionBytes);
    const body = this.#wire.TransactionBody.decode(bodyBytes);
    const id = idOf(body.transactionID);
    const fault = this.#state.fault(this.#state.submissions.length + 1, id);
    const note = (status: string): void => void this.#state.submissions.push({ transactionId: id, status });
    const breakOff = (): void => answer({ code: this.#grpc.status['UNAVAILABLE']!, message: 'the connection broke' });
    if (fault === 'unreachable') {
      note('UNREACHABLE');
      return breakOff();
    }
    const isSigned = sigMap.sigPair.some(({ ed25519 }) => ed25519.length === 64 && verify(null, bodyBytes, this.#publicKey, ed25519));
    const status = fault === 'busy' ? 'BUSY' : isOf(fault, 'precheck') ? fault.precheck : this.#precheck(body, id, isSigned);
    note(status);
    if (status === 'OK') this.#receipts.set(id, isOf(fault, 'receipt') ? { status: this.#code(fault.receipt) } : this.#consensus(body, id));
    if (fault === 'silent') return;
    if (fault === 'lost answer') return breakOff();
    answer(null, this.#wire.TransactionResponse.encode({ nodeTransactionPrecheckCode: this.#code(status) }).finish());
  }

  receipt(request: Buffer, answer: UnaryAnswer): void {
    const id = idOf(this.#wire.Query.decode(request).transactionGetReceipt!.transactionID);
    const receipt = this.#receipts.get(id);
    const code = this.#code(receipt ? 'OK' : 'RECEIPT_NOT_FOUND');
    const header = { nodeTransactionPrecheckCode: code };
    answer(null, this.#wire.Response.encode({ transactionGetReceipt: { header, receipt: receipt ?? { status: code } } }).finish());
  }

  /** What a node decides before a transaction goes to the others. */
  #precheck(body: WireBody, id: string, isSigned: boolean): string {
    const start = nanosecondsOf(body.transactionID.transactionValidStart);
    const now = BigInt(Date.now()) * 1_000_000n;
    if (accountOf(body.transactionID.accountID) !== payer) return 'PAYER_ACCOUNT_NOT_FOUND';
    if (accountOf(body.nodeAccountID) !== nodeAccount) return 'INVALID_NODE_ACCOUNT';
    if (!isSigned) return 'INVALID_SIGNATURE';
    if (start > now) return 'INVALID_TRANSACTION_START';
    if (start + BigInt(String(body.transactionValidDuration.seconds)) * 1_000_000_000n < now) return 'TRANSACTION_EXPIRED';
    if (this.#receipts.has(id)) return 'DUPLICATE_TRANSACTION';
    return 'OK';
  }

  /** What all nodes agree on: the receipt. */
  #consensus(body: WireBody, id: string): object {
    const submit = body.consensusSubmitMessage;
    const refuse = (status: string): object => ({ status: this.#code(status) });
    if (!submit) return refuse('INVALID_TRANSACTION_BODY');
    if (`${submit.topicID.shardNum}.${submit.topicID.realmNum}.${submit.topicID.topicNum}` !== topic) return refuse('INVALID_TOPIC_ID');
    if (submit.message.length === 0) return refuse('INVALID_TOPIC_MESSAGE');
    if (submit.message.length > 1024) return refuse('MESSAGE_SIZE_TOO_LARGE');
    const chunk = submit.chunkInfo ?? null;
    if (chunk && (chunk.number < 1 || chunk.number > chunk.total)) return refuse('INVALID_CHUNK_NUMBER');
    if (chunk && accountOf(chunk.initialTransactionID.accountID) !== payer) return refuse('INVALID_CHUNK_TRANSACTION_ID');
    if (chunk?.number === 1 && idOf(chunk.initialTransactionID) !== id) return refuse('INVALID_CHUNK_TRANSACTION_ID');
    const message = this.#append(Buffer.from(submit.message), id, chunk && { initialTransactionId: idOf(chunk.initialTransactionID), number: chunk.number, total: chunk.total });
    return { status: this.#code('SUCCESS'), topicSequenceNumber: message.sequence, topicRunningHash: message.runningHash, topicRunningHashVersion: 3 };
  }

  #append(bytes: Buffer, transactionId: string, chunk: TopicMessage['chunk']): TopicMessage {
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#lastConsensus = now > this.#lastConsensus ? now : this.#lastConsensus + 1n;
    const sequence = this.#state.messages.length + 1;
    this.#runningHash = createHash('sha384').update(this.#runningHash).update(`${topic} ${this.#lastConsensus} ${sequence}`).update(createHash('sha384').update(bytes).digest()).digest();
    const message = { sequence, bytes, runningHash: this.#runningHash, consensusAt: this.#lastConsensus, transactionId, chunk };
    this.#state.messages.push(message);
    return message;
  }

  #code(status: string): number {
    const code = this.#wire.ResponseCodeEnum[status];
    if (code === undefined) throw new Error(`There is no status ${status}.`);
    return code;
  }
}

function isOf<Name extends 'receipt' | 'precheck'>(fault: Fault | null, name: Name): fault is Extract<Fault, Record<Name, string>> {
  return typeof fault === 'object' && fault !== null && name in fault;
}

function accountOf({ shardNum, realmNum, accountNum }: WireAccount): string {
  return `${shardNum}.${realmNum}.${accountNum}`;
}

function nanosecondsOf({ seconds, nanos }: WireTransactionId['transactionValidStart']): bigint {
  return BigInt(String(seconds)) * 1_000_000_000n + BigInt(nanos);
}

/** `account@seconds.nanoseconds` */
function idOf({ accountID, transactionValidStart: start }: WireTransactionId): string {
  return `${accountOf(accountID)}@${start.seconds}.${String(start.nanos).padStart(9, '0')}`;
}
