import { Worker } from 'node:worker_threads';
import type { ChunkRequest, ChunkResult, Connection, WorkerMessage, WorkerRequest } from './worker-protocol.ts';

/** The sources run as they are; what is published is compiled. */
const workerFile = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

/** Submits parts of messages. */
export interface ChunkSender {
  /** Never rejects: what nobody knows is `unknown`. When `signal` is aborted the answer is `unknown` at once. */
  send(chunk: Omit<ChunkRequest, 'request'>, signal: AbortSignal): Promise<ChunkResult>;
  stop(): Promise<void>;
}

/** Milliseconds without anything to do after which the thread is ended, for its memory. */
const idleMs = 30_000;

/** Submits in a thread of its own, which is started when it is needed and ended when it was idle for a while. */
export function createChunkSender(connection: () => Connection): ChunkSender {
  let current: SdkThread | null = null;
  let timer: NodeJS.Timeout | undefined;
  let busy = 0;
  const end = async (): Promise<void> => {
    const ending = current;
    current = null;
    await ending?.end();
  };
  return {
    async send(chunk, signal) {
      clearTimeout(timer);
      busy += 1;
      try {
        if (!current || current.isEnded) current = new SdkThread(connection());
        return await current.ask(chunk, signal);
      } finally {
        busy -= 1;
        if (busy === 0) timer = setTimeout(() => void end(), idleMs).unref();
      }
    },
    async stop() {
      clearTimeout(timer);
      await end();
    },
  };
}

class SdkThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (result: ChunkResult) => void>();
  #requests = 0;
  #problem: string | null = null;
  #isReady = false;

  constructor(connection: Connection) {
    this.#worker = new Worker(workerFile, { workerData: connection, stdout: true, stderr: true, env: {} });
    // The SDK writes complaints to the console; they are read so that the pipe does not fill, and dropped.
    this.#worker.stdout.resume();
    this.#worker.stderr.resume();
    this.#worker.on('message', (message: WorkerMessage) => this.#take(message));
    this.#worker.on('error', (error) => this.#break(error.message.split('\n')[0]!));
    this.#worker.on('exit', () => this.#break('The thread with the Hedera SDK has ended.'));
    this.#worker.unref();
  }

  get isEnded(): boolean {
    return this.#problem !== null;
  }

  async ask(chunk: Omit<ChunkRequest, 'request'>, signal: AbortSignal): Promise<ChunkResult> {
    if (this.#problem !== null) return { outcome: 'unsent', problem: this.#problem };
    if (signal.aborted) return { outcome: 'unsent', problem: 'The time was over.' };
    const request = (this.#requests += 1);
    return await new Promise((resolve) => {
      const settle = (result: ChunkResult): void => {
        signal.removeEventListener('abort', giveUp);
        this.#waiting.delete(request);
        if (this.#waiting.size === 0) this.#worker.unref();
        resolve(result);
      };
      const giveUp = (): void => {
        this.#worker.postMessage({ type: 'abandon', request } satisfies WorkerRequest);
        settle({ outcome: 'unknown', problem: 'The time was over before the network had answered.' });
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiting.set(request, settle);
      this.#worker.ref();
      this.#worker.postMessage({ type: 'submit', chunk: { ...chunk, request } } satisfies WorkerRequest);
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #take(message: WorkerMessage): void {
    if (message.type === 'ready') this.#isReady = true;
    if (message.type === 'result') this.#waiting.get(message.request)?.(message.result);
    if (message.type === 'broken') {
      this.#break(`The Hedera SDK cannot be used: ${message.problem}`);
      void this.#worker.terminate();
    }
  }

  #break(problem: string): void {
    this.#problem ??= problem;
    // What waits while the SDK is being loaded was not sent.
    for (const settle of this.#waiting.values()) settle({ outcome: this.#isReady ? 'unknown' : 'unsent', problem: this.#problem });
  }
}
