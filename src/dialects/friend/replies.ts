import { errorTable, ParleyError, type ErrorCode } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { TurnEvent } from '../../core/conversations/index.ts';
import type { DialectParts } from '../shared/index.ts';

type End = Extract<TurnEvent, { kind: 'end' }>;

/** Why a reply is not whole; null when it is. */
export function failureOf(end: Pick<End, 'status' | 'error'>): ParleyError | null {
  switch (end.status) {
    case 'DELIVERED':
      return null;
    case 'CANCELLED':
      return new ParleyError('cancelled');
    case 'INTERRUPTED':
      return new ParleyError('shutting_down', { message: 'The server stopped in the middle of the answer; its text is kept.' });
    case 'FAILED': {
      const code = end.error && end.error.code in errorTable ? (end.error.code as ErrorCode) : 'provider_error';
      const { message, retryAfterMs } = end.error ?? {};
      return new ParleyError(code, { ...(message === undefined ? {} : { message }), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
    }
  }
}

/**
 * The whole text of a reply, as soon as it has ended. When `signal` is aborted only the reading stops: the reply goes on.
 * @throws {ParleyError} `cancelled` when it was, or the reading; the error of a reply that failed
 */
export async function wholeReply(parts: DialectParts, viewer: Viewer, answerId: string, signal: AbortSignal): Promise<string> {
  const { conversations } = parts;
  for await (const batch of conversations.attach(viewer, answerId, 0, signal)) {
    const last = batch.at(-1)!;
    if (last.kind !== 'end') continue;
    const failure = failureOf(last);
    if (failure) throw failure;
    return (await conversations.message(viewer, answerId)).content;
  }
  throw signal.aborted ? new ParleyError('cancelled') : new ParleyError('not_found', { message: 'The conversation was deleted.' });
}

/** Seconds since a moment of the monotonic clock, in whole milliseconds. */
export function secondsSince({ clock }: Pick<DialectParts, 'clock'>, began: number): number {
  return Math.round(clock.monotonic() - began) / 1000;
}
