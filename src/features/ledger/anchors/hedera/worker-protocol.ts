/** How to reach the network. */
export interface Connection {
  /** File URL of the SDK. */
  moduleUrl: string;
  /** Name of a public network, or null with `nodes`. */
  network: string | null;
  nodes: Readonly<Record<string, string>> | null;
  accountId: string;
  privateKey: string;
  topicId: string;
}

/** One message of a topic that is to be submitted. */
export interface ChunkRequest {
  request: number;
  transactionId: string;
  /** Id of the transaction with the first part. */
  initialTransactionId: string;
  /** 1, 2, 3, ... */
  number: number;
  total: number;
  bytes: Uint8Array;
  /** It was sent before, and nobody knows what became of that. */
  mayHaveArrived: boolean;
  /** Milliseconds for the submission and its receipt. */
  timeoutMs: number;
}

/** What the thread is told. `abandon`: nobody waits for this request any more. */
export type WorkerRequest = { type: 'submit'; chunk: ChunkRequest } | { type: 'abandon'; request: number };

/** What became of it. */
export type ChunkResult =
  /** A receipt that says success. */
  | { outcome: 'done'; sequence: number; runningHash: string }
  /** The network refused it, so that nothing of it will ever arrive. */
  | { outcome: 'refused'; status: string; problem: string }
  /** It was not sent at all. */
  | { outcome: 'unsent'; problem: string }
  /** Nobody knows whether it arrived. */
  | { outcome: 'unknown'; problem: string };

export type WorkerMessage = { type: 'ready' } | { type: 'broken'; problem: string } | { type: 'result'; request: number; result: ChunkResult };
