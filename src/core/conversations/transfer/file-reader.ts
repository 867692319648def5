import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ParleyError } from '../../../base/errors.ts';
import type { FileItem } from './reading-file.ts';
import type { FileAnswer } from './reading-worker.ts';

/** The sources run as they are; what is published is compiled. */
const workerFile = new URL(import.meta.url.endsWith('.ts') ? './reading-worker.ts' : './reading-worker.js', import.meta.url);

/** Megabytes that a thread may use: one conversation as text, as JSON and as messages. */
const heapMegabytes = 1024;

/**
 * Reads a file of conversations in a thread of its own, one item after another as they are asked for: parsing holds
 * nobody up, and a file that needs too much memory ends the thread and not the server.
 * @throws {ParleyError} `invalid_request` for a file that is none, `too_large`
 */
export async function* readInThread(path: string, signal: AbortSignal): AsyncGenerator<FileItem> {
  const worker = new Worker(workerFile, { workerData: path, resourceLimits: { maxOldGenerationSizeMb: heapMegabytes }, stdout: false, stderr: false });
  const stopped = new AbortController();
  const failed = new Promise<never>((_, reject) => {
    worker.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? new ParleyError('too_large', { message: 'A conversation of the file needs too much memory.' }) : error));
    worker.once('exit', () => reject(new Error('The thread that reads the file ended.')));
  });
  failed.catch(() => undefined);
  const abort = (): void => stopped.abort(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const answered = once(worker, 'message', { signal: stopped.signal }) as Promise<[FileAnswer]>;
      answered.catch(() => undefined);
      worker.postMessage('next');
      const [answer] = await Promise.race([answered, failed]);
      if ('problem' in answer) throw new ParleyError('invalid_request', { message: answer.problem });
      if (answer.item === null) return;
      yield answer.item;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    stopped.abort();
    await worker.terminate();
  }
}
