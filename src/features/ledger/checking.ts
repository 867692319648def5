import { Worker } from 'node:worker_threads';
import { ParleyError } from '../../base/errors.ts';
import { Places } from './places.ts';
import { FormError, type TrustedKeys, type Verification, type VerifyOptions } from './verify/index.ts';

/** The sources run as they are; what is published is compiled. */
const workerFile = new URL(import.meta.url.endsWith('.ts') ? './check-worker.ts' : './check-worker.js', import.meta.url);

/** What the thread that checks is given. */
export interface CheckRequest {
  /** The texts of files. */
  file: string;
  witness?: string;
  against?: string;
  session?: string;
  trusted: TrustedKeys;
}

/** What it answers: one of both. */
export type CheckAnswer = { verification: Verification } | { wrongForm: string; parameter: 'witness' | 'against' };

export interface Checks {
  /**
   * Checks a file in a thread of its own, because a large one takes long.
   * @throws {ParleyError} `invalid_request` for a witness or a second copy that is none, `queue_full`, `too_large` for one that takes too long
   */
  check(trusted: TrustedKeys, file: string, options: Pick<VerifyOptions, 'session'> & { witness?: string; against?: string }): Promise<Verification>;
}

/** Files that are checked at the same time, and that may wait. */
const mostAtOnce = 1;
const mostWaiting = 8;
/** Milliseconds for one, and megabytes. */
const mostMs = 20_000;
const memory = 512;

export function createChecks(): Checks {
  const places = new Places(mostAtOnce);
  let asked = 0;
  return {
    async check(trusted, file, options) {
      if (asked >= mostAtOnce + mostWaiting) throw new ParleyError('queue_full', { message: 'Too many transcripts are being checked. Try again in a moment.', retryAfterMs: 2000 });
      asked += 1;
      try {
        const answer = await places.within(new AbortController().signal, () => ask({ trusted, file, ...options }));
        if ('wrongForm' in answer) throw new ParleyError('invalid_request', { message: answer.wrongForm, parameter: answer.parameter, cause: new FormError(answer.wrongForm) });
        return answer.verification;
      } finally {
        asked -= 1;
      }
    },
  };
}

async function ask(request: CheckRequest): Promise<CheckAnswer> {
  const worker = new Worker(workerFile, { workerData: request, resourceLimits: { maxOldGenerationSizeMb: memory }, env: {} });
  const { promise, resolve, reject } = Promise.withResolvers<CheckAnswer>();
  worker.once('message', resolve);
  worker.once('error', reject);
  worker.once('exit', () => reject(new Error('The thread that checks a transcript ended without an answer.')));
  const timer = setTimeout(() => reject(new ParleyError('too_large', { message: 'Checking this file takes too long here. `parley verify` checks it without a limit.' })), mostMs);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}
