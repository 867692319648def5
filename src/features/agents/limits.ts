import { ParleyError } from '../../base/errors.ts';
import type { AgentSettings, SessionLimits } from './types.ts';

/** What holds where nothing else is set. */
export const defaultSettings: AgentSettings = {
  limits: { turns: 100, depth: 6, milliseconds: 24 * 3_600_000, costMicros: 1_000_000 },
  transcriptMs: 10_000,
  runsAtOnce: 32,
};

/** Least and most of each limit that a session may have. */
const ranges: Record<keyof SessionLimits, readonly [least: number, most: number]> = {
  turns: [1, 10_000],
  depth: [1, 100],
  milliseconds: [60_000, 30 * 24 * 3_600_000],
  costMicros: [0, 1_000_000_000],
};

/** Most replies of one run. */
export const mostRunTurns = 100;
/** Those of a run that names none. */
export const defaultRunTurns = 10;
/** Characters of a message. */
export const longestMessage = 50_000;
/** Messages of a session, beyond which nothing is said in it any more. */
export const mostMessages = 10_000;
/** UTF-16 units of a history that is sent at once; longer ones are read in batches. */
export const longestHistory = 4_000_000;
/** Messages of one batch. */
export const mostInBatch = 1000;

/** @throws {ParleyError} `invalid_request` for one that is out of its range */
export function limitsOf(given: Partial<SessionLimits> | undefined, defaults: SessionLimits): SessionLimits {
  const limits = { ...defaults, ...given };
  for (const [name, [least, most]] of Object.entries(ranges) as [keyof SessionLimits, readonly [number, number]][]) {
    const value = limits[name];
    if (!Number.isSafeInteger(value) || value < least || value > most) throw new ParleyError('invalid_request', { message: `The limit ${name} must be a whole number from ${least} to ${most}.`, parameter: `limits.${name}` });
  }
  return limits;
}
