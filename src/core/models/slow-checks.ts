import { Worker } from 'node:worker_threads';

/** One text to hold against a schema, as the thread takes it. */
export interface SlowCheck {
  /** The schema as JSON. */
  schema: string;
  text: string;
}

interface Waiting extends SlowCheck {
  resolve(complaint: string): void;
}

/** Milliseconds that the thread gives a check. */
export const maxSlowMs = 250;
/** Most checks that wait for the thread. */
const mostWaiting = 32;
/** Milliseconds after which an unused thread is ended. */
const idleMs = 30_000;

/** The sources run as they are; what is published is compiled. */
const workerFile = new URL(import.meta.url.endsWith('.ts') ? './slow-checks-worker.ts' : './slow-checks-worker.js', import.meta.url);

const line: Waiting[] = [];
let running: Waiting | null = null;
let worker: Worker | null = null;
let ending: NodeJS.Timeout | undefined;

/**
 * Checks that would hold everybody up are made one after another by a thread of its own, which is started for the first of
 * them and does not keep the process alive. Resolves with what is wrong with the text, or nothing; also when there was no
 * time for it. Never rejects.
 * @param signal ends the waiting
 */
export function checkElsewhere(schema: string, text: string, signal: AbortSignal): Promise<string> {
  if (line.length >= mostWaiting) return Promise.resolve('too many answers wait for their check, which takes long');
  return new Promise((resolve) => {
    const entry: Waiting = {
      schema,
      text,
      resolve(complaint) {
        signal.removeEventListener('abort', leave);
        resolve(complaint);
      },
    };
    const leave = (): void => {
      const at = line.indexOf(entry);
      if (at >= 0) line.splice(at, 1);
      entry.resolve('nobody waits for its check any more');
    };
    if (signal.aborted) return leave();
    signal.addEventListener('abort', leave, { once: true });
    line.push(entry);
    next();
  });
}

function next(): void {
  if (running !== null) return;
  running = line.shift() ?? null;
  if (running === null) {
    worker?.unref();
    ending = setTimeout(() => {
      void worker?.terminate();
      worker = null;
    }, idleMs).unref();
    return;
  }
  clearTimeout(ending);
  worker ??= start();
  worker.ref();
  const { schema, text } = running;
  worker.postMessage({ schema, text } satisfies SlowCheck);
}

function start(): Worker {
  const started = new Worker(workerFile, { resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 16 } });
  const settle = (complaint: string): void => {
    const settled = running;
    running = null;
    settled?.resolve(complaint);
    next();
  };
  /** Without memory, or without a thread: the next check gets another one. */
  const lose = (): void => {
    if (worker !== started) return;
    worker = null;
    settle('the schema could not be applied to it');
  };
  started.on('message', settle);
  started.on('error', lose);
  started.on('exit', lose);
  return started;
}
