import { Worker } from 'node:worker_threads';
import type { Maintenance, TableFigures } from '../types.ts';

/** What the worker thread is started with. */
export interface WorkerSettings {
  /** The database file. */
  path: string;
  fullSync: boolean;
  readOnly: boolean;
}

export type WorkerRequest =
  /** Moves pages from the log into the file as far as possible without hindering anyone. */
  | { operation: 'passive' }
  /** Moves all of them and empties the log; nobody may write meanwhile. */
  | { operation: 'truncate' }
  /** Copies the database to a file that does not exist yet. */
  | { operation: 'copy'; path: string }
  | { operation: 'integrity' }
  /** Counts the rows of these tables. */
  | { operation: 'figures'; tables: readonly string[] }
  /** Nobody may write meanwhile. */
  | { operation: 'maintain'; work: Maintenance }
  | { operation: 'close' };

export interface WorkerAnswer {
  /** Checkpoints: whether someone was in the way. */
  busy?: boolean;
  /** Checkpoints: pages in the log, and how many of them are in the file too. */
  logPages?: number;
  checkpointedPages?: number;
  /** `integrity`: findings, for a person. */
  problems?: string[];
  /** `integrity`: names of the applied migrations. */
  migrations?: string[];
  /** `figures`. */
  figures?: TableFigures[];
}

interface Reply {
  answer?: WorkerAnswer;
  failure?: { message: string; errcode?: number; code?: string; syscall?: string };
}

/** The sources run as they are; what is published is compiled. */
const workerFile = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

/** A thread that works on the database file, one request after another. It does not keep the process alive. */
export class DatabaseWorker {
  readonly #worker: Worker;
  readonly #waiting: { resolve: (answer: WorkerAnswer) => void; reject: (error: unknown) => void }[] = [];
  #ended: Error | null = null;

  constructor(settings: WorkerSettings) {
    this.#worker = new Worker(workerFile, { workerData: settings, resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 } });
    this.#worker.on('message', (reply: Reply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(new Error('The database thread has ended.')));
    this.#worker.unref();
  }

  /** Whether it can take no more requests. */
  get ended(): boolean {
    return this.#ended !== null;
  }

  /** Throws what SQLite or the file system threw in the thread. */
  async ask(request: WorkerRequest): Promise<WorkerAnswer> {
    if (this.#ended) throw this.#ended;
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage(request);
    });
  }

  /** Closes the thread's connection and ends it. */
  async stop(): Promise<void> {
    try {
      if (!this.#ended) await this.ask({ operation: 'close' });
    } finally {
      await this.#worker.terminate();
    }
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.shift();
    if (this.#waiting.length === 0) this.#worker.unref();
    if (reply.failure) {
      const { message, ...codes } = reply.failure;
      const known = Object.fromEntries(Object.entries(codes).filter(([, value]) => value !== undefined));
      waiting?.reject(Object.assign(new Error(message), known));
    } else {
      waiting?.resolve(reply.answer ?? {});
    }
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#ended);
  }
}

/** Asks one thing of a thread made for it, so that long work holds up nobody else's. */
export async function askOnce(settings: WorkerSettings, request: WorkerRequest): Promise<WorkerAnswer> {
  const worker = new DatabaseWorker(settings);
  try {
    return await worker.ask(request);
  } finally {
    await worker.stop();
  }
}
