import { parentPort, workerData } from 'node:worker_threads';
import { isStatusError, type Sdk, type SdkClient, type SdkReceipt, type SdkSubmit } from './sdk.ts';
import type { ChunkRequest, ChunkResult, Connection, WorkerMessage } from './worker-protocol.ts';

/*
 * The thread that the SDK runs in: loading it takes seconds and 60 MB, and it keeps timers and connections of its own. All
 * of that ends with the thread.
 */

const port = parentPort!;
const connection = workerData as Connection;
const send = (message: WorkerMessage): void => port.postMessage(message);

/** Statuses with which a node says that it had the transaction before. */
const duplicate = 'DUPLICATE_TRANSACTION';

function keyOf(sdk: Sdk, text: string): unknown {
  if (text.startsWith('0x')) return sdk.PrivateKey.fromStringECDSA(text);
  return text.length === 64 ? sdk.PrivateKey.fromStringED25519(text) : sdk.PrivateKey.fromStringDer(text);
}

function connect(sdk: Sdk): SdkClient {
  const { network, nodes, accountId, privateKey } = connection;
  const options = { scheduleNetworkUpdate: false };
  const client = nodes ? sdk.Client.forNetwork(nodes, options) : sdk.Client.forName(network!, options);
  // A new id for an expired transaction would submit a part twice: ids are ours.
  return client.setOperator(sdk.AccountId.fromString(accountId), keyOf(sdk, privateKey)).setDefaultRegenerateTransactionId(false).setMaxAttempts(30).setMinBackoff(100).setMaxBackoff(4000);
}

/**
 * A transaction with one part of a message. The SDK cuts messages into parts by itself, but only all of them at once; here
 * each is submitted by itself, so that those that are missing can be submitted alone.
 */
function partOf(sdk: Sdk, chunk: ChunkRequest): SdkSubmit {
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
  }
  return new TopicMessagePart().setTopicId(connection.topicId).setMessage(chunk.bytes).setTransactionId(sdk.TransactionId.fromString(chunk.transactionId)).setRegenerateTransactionId(false);
}

async function submit(sdk: Sdk, client: SdkClient, chunk: ChunkRequest): Promise<ChunkResult> {
  const until = performance.now() + chunk.timeoutMs;
  const left = (): number => Math.max(1, Math.round(until - performance.now()));
  try {
    const response = await partOf(sdk, chunk).execute(client, left());
    return resultOf(await response.getReceiptQuery(client).setValidateStatus(false).execute(client, left()));
  } catch (error) {
    if (!isStatusError(error)) return { outcome: 'unknown', problem: sentenceOf(error) };
    const status = error.status.toString();
    // RECEIPT_NOT_FOUND and the like are said of the receipt, and say nothing of the message.
    if (status !== duplicate) return isOfReceipt(error) ? { outcome: 'unknown', problem: status } : { outcome: 'refused', status, problem: `The network answered ${status}.` };
  }
  try {
    return resultOf(await new sdk.TransactionReceiptQuery().setTransactionId(sdk.TransactionId.fromString(chunk.transactionId)).setValidateStatus(false).execute(client, left()));
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

function isOfReceipt(error: Error): boolean {
  return error.name === 'ReceiptStatusError' || /receipt/i.test(error.message);
}

/** The message of an error without what a library may have added of the request. */
function sentenceOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 300);
}

try {
  const sdk = (await import(connection.moduleUrl)) as Sdk;
  const client = connect(sdk);
  port.on('message', (chunk: ChunkRequest) => {
    void submit(sdk, client, chunk).then((result) => send({ type: 'result', request: chunk.request, result }));
  });
  send({ type: 'ready' });
} catch (error) {
  send({ type: 'broken', problem: sentenceOf(error) });
}
