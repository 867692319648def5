import type { SealedTranscript } from './types.ts';

/**
 * Milliseconds by which the clocks of instances, database and whoever checks may differ: those of machines that set their
 * clock over a network are apart by far less.
 */
export const clockSkewMs = 60_000;

/** What about the times of a transcript cannot be true, for a person; null when they agree. @param now of whoever checks */
export function clockLie({ entries, seal, log }: SealedTranscript, now: number): string | null {
  const session = entries[0]?.record;
  if (session?.kind !== 'session') return null;
  const sealed = Date.parse(seal.statement.sealed_at);
  const [started, ended, head] = [session.started_at, session.ended_at, log.head.time].map((time) => Date.parse(time)) as [number, number, number];
  if (ended + clockSkewMs < started) return `the session ended (${session.ended_at}) before it began (${session.started_at}).`;
  let latest = started;
  for (const [index, { record }] of entries.entries()) {
    if (record.kind !== 'message') continue;
    const sent = Date.parse(record.sent_at);
    if (sent + clockSkewMs < latest) return `message ${index} (${record.sent_at}) was sent before what stands in front of it.`;
    if (sent > ended + clockSkewMs) return `message ${index} (${record.sent_at}) was sent after the session had ended (${session.ended_at}).`;
    latest = Math.max(latest, sent);
  }
  if (sealed + clockSkewMs < ended) return `it was sealed (${seal.statement.sealed_at}) before the session had ended (${session.ended_at}).`;
  if (head < sealed) return `the head of the log (${log.head.time}) is older than this entry (${seal.statement.sealed_at}).`;
  if (head > now + clockSkewMs) return `the head of the log is of a time that has not come yet (${log.head.time}).`;
  return null;
}
