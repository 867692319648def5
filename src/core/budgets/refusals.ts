import { ParleyError } from '../../base/errors.ts';
import type { Charge } from './charges.ts';
import type { Limit, Standing } from './limits.ts';
import { timeInUtc } from './periods.ts';

/** A budget into which a call does not fit. */
export interface Shortage {
  standing: Standing;
  kind: keyof Charge;
  /** What the call needs at the least. */
  needed: number;
  left: number;
}

/** When calls under way hold what is missing: some of them end soon, milliseconds. */
const callsEndMs = 5000;

/**
 * Why a call is refused, for a person: which budget, what is left of it, and when it starts anew. With several, the one
 * that holds it up longest.
 */
export function refusal(shortages: readonly Shortage[], now: number): ParleyError {
  const worst = shortages.reduce((one, other) => (waitFor(other, now) > waitFor(one, now) ? other : one));
  const { standing: { limit, counted, held }, kind, needed, left } = worst;
  const rest = Math.max(0, left);
  const sentences = [
    rest === 0 || kind === 'requests'
      ? `${bound(limit, kind)} is used up.`
      : `${bound(limit, kind)} has ${amount(kind, rest)} left, and this call may need ${amount(kind, needed)}.`,
    ...(held[kind] > 0 ? [`${amount(kind, held[kind])} of it ${kind === 'requests' && held[kind] === 1 ? 'is' : 'are'} held by calls under way.`] : []),
    `It starts anew at ${timeInUtc(counted.end)}.`,
  ];
  return new ParleyError('budget_exceeded', { message: sentences.join(' '), retryAfterMs: waitFor(worst, now) });
}

function waitFor({ standing: { counted, held }, kind, needed, left }: Shortage, now: number): number {
  const untilReset = Math.max(1000, counted.end - now);
  return needed <= left + held[kind] ? Math.min(callsEndMs, untilReset) : untilReset;
}

/** `Your budget of 200,000 tokens a day`. */
export function bound({ subject, period, bounds }: Limit, kind: keyof Charge): string {
  const whose = subject.kind === 'key' ? 'The budget of this API key' : 'Your budget';
  return `${whose} of ${amount(kind, bounds[kind]!)} a ${period}`;
}

/** `1,200 tokens`, `$0.25`. Small sums of money keep their digits. */
function amount(kind: keyof Charge, value: number): string {
  if (kind === 'costMicros') {
    const dollars = value / 1e6;
    return `$${dollars >= 0.01 || dollars === 0 ? dollars.toFixed(2) : dollars.toFixed(6)}`;
  }
  const unit = kind === 'requests' ? 'request' : 'token';
  return `${value.toLocaleString('en-US')} ${unit}${value === 1 ? '' : 's'}`;
}
