import type { IncomingHttpHeaders } from 'node:http';

/** Longest wait that is believed: a day, in milliseconds. */
const maxRetryAfterMs = 86_400_000;

/**
 * How long a service asks us to wait, in milliseconds; undefined when it does not say or not legibly.
 * `Retry-After` holds seconds or a date (RFC 9110, section 10.2.3); `retry-after-ms` is OpenAI's finer form and wins.
 * @param now milliseconds since the epoch
 */
export function parseRetryAfter(headers: IncomingHttpHeaders, now: number): number | undefined {
  const milliseconds = single(headers['retry-after-ms']);
  if (milliseconds !== undefined && /^\d+(\.\d+)?$/.test(milliseconds)) return bounded(Number(milliseconds));
  const value = single(headers['retry-after']);
  if (value === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return bounded(Number(value) * 1000);
  // Date.parse takes much that is no HTTP date; those begin with the day of the week.
  const date = /^[A-Z][a-z]{2}/.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? undefined : bounded(date - now);
}

function single(value: string | string[] | undefined): string | undefined {
  return (Array.isArray(value) ? value[0] : value)?.trim();
}

function bounded(milliseconds: number): number {
  return Math.min(Math.max(Math.ceil(milliseconds), 0), maxRetryAfterMs);
}
