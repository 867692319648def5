import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { Sdk, SdkClient, SdkReceipt, SdkReceiptQuery, SdkSubmit } from './sdk.ts';
import type { ChunkRequest, ChunkResult, Connection, WorkerMessage, WorkerRequest } from './worker-protocol.ts';

/*
 * The thread that the SDK runs in: loading it takes seconds and 60 MB, and it keeps timers and connections of its own. All
 * of that ends with the thread.
 */

const port = parentPort!;
const connection = workerData as Connection;
const send = (message: WorkerMessage): void => port.postMessage(message);

/** With this status a node says that it had the transaction before. */
const duplicate = 'DUPLICATE_TRANSACTION';
/** With this one that it came too late. */
const expired = 'TRANSACTION_EXPIRED';

function keyOf(sdk: Sdk, text: string): unknown {
  if (text.startsWith('0x')) return sdk.PrivateKey.fromStringECDSA(text);
  return text.length === 64 ? sdk.PrivateKey.fromStringED25519(text) : sdk.PrivateKey.fromStringDer(text);
}

function connect(sdk: Sdk): SdkClient {
  const { network, nodes, accountId, privateKey } = connection;
  const options = { scheduleNetworkUpdate: false };
  const client = nodes ? sdk.Client.forNetwork(nodes, options) : sdk.Client.forName(network!, options);
  // A new id for an expired transaction would submit a part twice: ids are ours.
  return client.setOperator(sdk.AccountId.fromString(accountId), keyOf(sdk, privateKey)).setDefaultRegenerateTransactionId(false).setMaxAttempts(10).setMinBackoff(100).setMaxBackoff(4000);
}

/** How often a part was sent without any answer: it may have arrived all the same, whatever another node says later. */
interface Sendings {
  unanswered: number;
}

/**
 * A transaction with one part of a message. The SDK cuts messages into parts by itself, but only all of them at once; here
 * each is submitted by itself, so that those that are missing can be submitted alone.
 */
function partOf(sdk: Sdk, chunk: ChunkRequest, sendings: Sendings): SdkSubmit {
  const chunkInfo = { initialTransactionID: sdk.TransactionId.fromString(chunk.initialTransactionId)._toProtobuf(), total: chunk.total, number: chunk.number };
  class TopicMessagePart extends sdk.TopicMessageSubmitTransaction {
    override freezeWith(client: unknown): this {
      // That of every transaction: the one between would cut the bytes again.
      sdk.Transaction.prototype.freezeWith.call(this, client);
      return this;
    }

    override _makeTransactionData(): object {
      return { ...super._makeTransactionData(), chunkInfo };
    }

    override async _execute(channel: unknown, request: unknown): Promise<unknown> {
      sendings.unanswered += 1;
      const answer = await super._execute(channel, request);
      sendings.unanswered -= 1;
      return answer;
    }
  }
  const part = new TopicMessagePart().setTopicId(connection.topicId).setMessage(chunk.bytes).setTransactionId(sdk.TransactionId.fromString(chunk.transactionId)).setRegenerateTransactionId(false);
  // Of few nodes none may be left for a moment behind a broken connection, and the SDK then makes no transaction at all.
  return connection.nodes ? part.setNodeAccountIds(Object.values(connection.nodes).map((account) => sdk.AccountId.fromString(account))) : part;
}

/** Requests that nobody waits for any more. */
const abandoned = new Set<number>();

/** Milliseconds between two tries of one part, and the most of them as they grow. */
const [shortestPauseMs, longestPauseMs] = [250, 4000];

/** Tries until the network has said something, or the time is over. To send one transaction twice is safe: it is taken once. */
async function submit(sdk: Sdk, client: SdkClient, chunk: ChunkRequest): Promise<ChunkResult> {
  const until = performance.now() + chunk.timeoutMs;
  const left = (): number => Math.max(1, Math.round(until - performance.now()));
  let pause = shortestPauseMs;
  const sendings: Sendings = { unanswered: chunk.mayHaveArrived ? 1 : 0 };
  let result = await trySubmit(sdk, client, chunk, sendings, left);
  while (result.outcome === 'unknown' && left() > pause && !abandoned.has(chunk.request)) {
    await sleep(pause);
    pause = Math.min(pause * 2, longestPauseMs);
    // A client avoids nodes for many seconds after a broken connection, and of few nodes none is left: a new one asks at once.
    const another = connect(sdk);
    result = await trySubmit(sdk, another, chunk, sendings, left).finally(() => another.close());
  }
  return result;
}

async function trySubmit(sdk: Sdk, client: SdkClient, chunk: ChunkRequest, sendings: Sendings, left: () => number): Promise<ChunkResult> {
  let query: SdkReceiptQuery;
  try {
    query = (await partOf(sdk, chunk, sendings).execute(client, left())).getReceiptQuery(client);
  } catch (error) {
    if (!(error instanceof sdk.StatusError)) return { outcome: 'unknown', problem: sentenceOf(error) };
    const status = error.status.toString();
    // It may have arrived before, when its answer was lost: the topic says so the next time.
    if (status === expired) return { outcome: 'unknown', problem: `The network answered ${status}.` };
    // A node that answers so has taken it, and any node has its receipt.
    if (status !== duplicate && sendings.unanswered > 0) return { outcome: 'unknown', problem: `The network answered ${status}, and may have taken it before.` };
    if (status !== duplicate) return { outcome: 'refused', status, problem: `The network answered ${status}.` };
    query = new sdk.TransactionReceiptQuery().setTransactionId(sdk.TransactionId.fromString(chunk.transactionId));
  }
  try {
    return resultOf(await query.setValidateStatus(false).execute(client, left()));
  } catch (error) {
    return { outcome: 'unknown', problem: sentenceOf(error) };
  }
}

function resultOf({ status, topicSequenceNumber, topicRunningHash }: SdkReceipt): ChunkResult {
  const name = status.toString();
  if (name !== 'SUCCESS') return { outcome: 'refused', status: name, problem: `The receipt says ${name}.` };
  if (topicSequenceNumber === null || topicRunningHash === null) return { outcome: 'unknown', problem: 'The receipt has no place in the topic.' };
  return { outcome: 'done', sequence: Number(topicSequenceNumber.toString()), runningHash: Buffer.from(topicRunningHash).toString('base64') };
}

/** The message of an error without what a library may have added of the request. */
function sentenceOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 300);
}

try {
  const sdk = (await import(connection.moduleUrl)) as Sdk;
  const client = connect(sdk);
  const take = async ({ request, ...chunk }: ChunkRequest): Promise<void> => {
    const result = await submit(sdk, client, { ...chunk, request });
    abandoned.delete(request);
    send({ type: 'result', request, result });
  };
  port.on('message', (message: WorkerRequest) => {
    if (message.type === 'submit') void take(message.chunk);
    else abandoned.add(message.request);
  });
  send({ type: 'ready' });
} catch (error) {
  send({ type: 'broken', problem: sentenceOf(error) });
}
