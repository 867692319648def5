import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { failureOf, type DialectParts } from '../shared/index.ts';

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
