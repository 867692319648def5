import type { Log } from '../../base/observability/index.ts';
import type { Breaker, Permit } from './breaker.ts';
import { replyErrorOf, saysSomething } from './wire/index.ts';
import type { CallOptions, ModelBatch, ModelProvider, ModelRequest, ReplyError, ReplyEvent } from './types.ts';

/** Longest wait that a service may ask for between two tries; when it asks for more, the answer fails at once. */
export const maxRetryWaitMs = 10_000;

/** One model that may answer, with what calls to it need. */
export interface Candidate {
  provider: ModelProvider;
  breaker: Breaker;
  /** `provider/model`. */
  id: string;
  model: string;
  apiKey: string | null;
  /** Who asks. */
  userId: string;
  /** Leave of the breaker that was taken already. */
  permit?: Permit;
  /** The batch that the request belongs to. */
  batch?: ModelBatch;
}

export interface AskingParts {
  log: Log;
  /** Milliseconds before the second try, the third, and so on; their number bounds the tries. */
  retryPausesMs: readonly number[];
  /** Counts a call that ended with a fault of the service. */
  onFault(provider: string): void;
}

/**
 * Asks candidates one after another until one begins to speak. Each is tried again after a service fault, with growing
 * pauses, and counts once for its breaker however often it was tried. As soon as anything was yielded, the answer is
 * what this candidate makes of it. Ends with exactly one finish or error; never throws.
 *
 * This is the path of every token: one generator between the provider and the caller, no more.
 * @param firstId the id the caller expects: a model that spoke under another one is named by a `model` event
 * @param candidates the first is the target; more are asked only when a service is at fault. May throw a ParleyError
 */
export async function* askInTurn(
  parts: AskingParts, firstId: string, candidates: AsyncIterator<Candidate>, request: Omit<ModelRequest, 'model'>, signal: AbortSignal,
): AsyncGenerator<ReplyEvent[]> {
  let firstError: ReplyError | null = null;
  for (;;) {
    const candidate = await nextOf(candidates);
    if (!('provider' in candidate)) {
      firstError ??= candidate;
      break;
    }
    const permit = candidate.permit ?? candidate.breaker.admit();
    let failure: ReplyError = openBreaker(candidate);
    try {
      for (let attempt = 0; permit !== null; attempt += 1) {
        const opening = createOpening(candidate, firstId);
        let hasBegun = false;
        failure = brokenOff(candidate);
        try {
          const options: CallOptions = { signal, apiKey: candidate.apiKey, userId: candidate.userId };
          if (candidate.batch) options.batch = candidate.batch;
          for await (const batch of candidate.provider.stream({ ...request, model: candidate.model }, options)) {
            const ready = hasBegun ? batch : opening.take(batch);
            if (ready === null) continue;
            if (!hasBegun) permit.alive();
            hasBegun = true;
            const isOver = settle(permit, batch.at(-1)!, candidate, parts);
            yield ready;
            if (isOver) return;
          }
          failure = opening.error ?? failure;
        } catch (thrown) {
          parts.log.error({ err: thrown, provider: candidate.provider.id }, 'a model provider threw in the middle of a reply');
          failure = { code: 'internal', message: 'Internal server error', serviceFault: false };
        }
        const pause = hasBegun ? null : pauseBefore(failure, permit.isTrial || candidate.provider.triesOnce ? undefined : parts.retryPausesMs[attempt]);
        if (pause !== null && (await sleep(pause, signal))) continue;
        if (signal.aborted) failure = cancelled;
        settle(permit, { type: 'error', error: failure }, candidate, parts);
        if (!hasBegun) break;
        yield [{ type: 'error', error: failure }];
        return;
      }
    } finally {
      permit?.release();
    }
    firstError ??= failure;
    if (!failure.serviceFault) break;
  }
  yield [{ type: 'error', error: firstError ?? cancelled }];
}

/** The next candidate, or the error that there is none. */
async function nextOf(candidates: AsyncIterator<Candidate>): Promise<Candidate | ReplyError> {
  try {
    const next = await candidates.next();
    return next.done ? cancelled : next.value;
  } catch (thrown) {
    return replyErrorOf(thrown);
  }
}

const cancelled: ReplyError = { code: 'cancelled', message: 'The answer was cancelled.', serviceFault: false };

/** Collects the beginning of a reply until something was said. */
function createOpening(candidate: Candidate, firstId: string) {
  const held: ReplyEvent[] = [];
  let id = candidate.id;
  const opening = {
    /** Set when the reply failed before anything was said. */
    error: null as ReplyError | null,
    /** The events so far, the model's name first, once something was said; null until then. */
    take(batch: ReplyEvent[]): ReplyEvent[] | null {
      const isSaid = saysSomething(batch);
      for (const event of batch) {
        if (event.type === 'model') id = `${candidate.provider.id}/${event.model}`;
        else if (event.type === 'error' && !isSaid) opening.error = event.error;
        else held.push(event);
      }
      if (!isSaid) return null;
      return id === firstId ? held : [{ type: 'model', model: id }, ...held];
    },
  };
  return opening;
}

/** Tells the breaker how the call ended, if this event is its end: then true. */
function settle(permit: Permit, event: ReplyEvent, candidate: Candidate, parts: AskingParts): boolean {
  if (event.type === 'finish') {
    permit.success();
    return true;
  }
  if (event.type !== 'error') return false;
  if (event.error.serviceFault) {
    permit.fault();
    parts.onFault(candidate.provider.id);
    parts.log.warn({ provider: candidate.provider.id, code: event.error.code, status: event.error.status }, 'a model service failed');
  } else permit.release();
  return true;
}

/** Milliseconds to wait before trying again; null when it is of no use. */
export function pauseBefore(error: ReplyError, growing: number | undefined): number | null {
  if (growing === undefined) return null;
  // Another silence of the same length helps nobody.
  const isPassing = (error.serviceFault && error.code !== 'provider_timeout') || error.code === 'rate_limited';
  if (!isPassing || (error.retryAfterMs ?? 0) > maxRetryWaitMs) return null;
  return Math.max(growing, error.retryAfterMs ?? 0);
}

/** Waits; false when the signal ended the wait. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const done = (isOver: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      resolve(isOver);
    };
    const onAbort = (): void => done(false);
    const timer = setTimeout(() => done(true), milliseconds);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** Why a call is not even tried. */
export function openBreaker(candidate: Pick<Candidate, 'provider' | 'breaker'>): ReplyError {
  const retryAfterMs = Math.ceil(candidate.breaker.retryAfterMs());
  const message = `The model service ${candidate.provider.id} failed several times in a row and is left alone for ${Math.ceil(retryAfterMs / 1000)} more seconds.`;
  return { code: 'provider_unavailable', message, retryAfterMs, serviceFault: true };
}

function brokenOff(candidate: Candidate): ReplyError {
  return { code: 'provider_error', message: `The model service ${candidate.provider.id} ended its answer without saying so.`, serviceFault: true };
}
