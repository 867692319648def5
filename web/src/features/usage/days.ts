import type { UsageLine } from '../../shared/api/index.ts';

export interface Day {
  /** `2026-11-21`. */
  date: string;
  calls: number;
  tokens: number;
  costUsd: number;
}

/** Every day of this month (UTC) up to today, those without a call included. */
export function daysOfMonth(lines: readonly UsageLine[], now: Date): Day[] {
  const byDate = new Map(lines.map((line) => [line.group, line]));
  return Array.from({ length: now.getUTCDate() }, (_, index) => {
    const date = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), index + 1)).toISOString().slice(0, 10);
    const line = byDate.get(date);
    return { date, calls: line?.calls ?? 0, tokens: line ? tokensOf(line) : 0, costUsd: line?.cost_usd ?? 0 };
  });
}

/** Tokens sent and made. */
export function tokensOf(line: UsageLine): number {
  return line.tokens.input + line.tokens.output;
}

/** A day as this reader's machine writes it: "21 Nov". */
export function dayName(date: string): string {
  return new Date(`${date}T00:00:00Z`).toLocaleDateString(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' });
}
