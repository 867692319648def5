import type { Clock } from '../../base/clock.ts';
import type { BudgetCountersTable, Queries, Storage, WriteQueries } from '../../base/storage/index.ts';
import type { Charge } from './charges.ts';
import { periodAt } from './periods.ts';
import { addToCounters, insertCounter, lockCounters, sumUsage, writeCounter } from './statements.ts';
import type { BudgetSubject, Period } from './types.ts';

/**
 * A new counter is counted once more after this time, milliseconds: calls that ended while it was made, on an instance
 * that had not heard of the budget yet, are missing in it.
 */
const settlesMs = 30_000;
/** How far the clocks of instances may differ, milliseconds: a period that another one has begun already is kept to. */
const clocksDifferMs = 3_600_000;

/** What was used in one period. */
export interface Counted extends Charge {
  start: number;
  /** When the next period begins. */
  end: number;
}

interface CounterParts {
  clock: Clock;
  storage: Pick<Storage, 'afterCommit'>;
  /** Names of counters that this process has seen, kept between calls. */
  made: Set<string>;
}

/** Which counter. */
export interface CounterName {
  subject: BudgetSubject;
  period: Period;
  /** The user, or the user whose key it is. */
  userId: string;
}

/** Most counters of which a process remembers that they were made. */
const mostRemembered = 10_000;

/**
 * The counters of these names, locked until the transaction ends. One that is new, of a period that has ended, or not
 * to be trusted is counted from the usage rows; all others are read as they are.
 */
export async function openCounters(queries: WriteQueries, names: readonly CounterName[], { clock, storage, made }: CounterParts): Promise<Counted[]> {
  const now = clock.now();
  const unseen = names.filter((name) => !made.has(nameOf(name)));
  await makeCounters(queries, unseen);
  if (unseen.length > 0) {
    // Not before the commit: until then others have to wait for it before they lock anything.
    storage.afterCommit(queries, () => {
      if (made.size + unseen.length > mostRemembered) made.clear();
      for (const name of unseen) made.add(nameOf(name));
    });
  }
  const keys = { user_id: names[0]!.userId, key_id: names.find(({ subject }) => subject.kind === 'key')?.subject.id ?? '' };
  let rows = await lockCounters.all(queries, keys);
  const missing = names.filter((name) => !rowOf(rows, name));
  if (missing.length > 0) {
    for (const name of missing) await insertCounter.run(queries, { ...emptyCounter(name), user_id: name.userId });
    rows = await lockCounters.all(queries, keys);
  }
  const counted: Counted[] = [];
  for (const name of names) counted.push(await upToDate(queries, rowOf(rows, name)!, name, now));
  return counted;
}

/**
 * Makes counters that are not there yet before any is locked, in the order in which they are locked: whoever made one
 * while it holds others would wait in a circle with those who hold the new one.
 */
async function makeCounters(queries: WriteQueries, names: readonly CounterName[]): Promise<void> {
  const ordered = [...names].sort((one, other) => compare(nameOf(one), nameOf(other)));
  for (const name of ordered) await insertCounter.run(queries, { ...emptyCounter(name), user_id: name.userId });
}

function nameOf({ subject, period }: CounterName): string {
  return `${subject.kind} ${subject.id} ${period}`;
}

/** How a subject stands, without a lock: for reports. */
export async function readCounter(queries: Queries, rows: readonly BudgetCountersTable[], name: CounterName, now: number): Promise<Counted> {
  const row = rowOf(rows, name);
  return row && isTrusted(row, name.period, now) ? countedOf(row) : await count(queries, name, now);
}

async function upToDate(queries: WriteQueries, row: BudgetCountersTable, name: CounterName, now: number): Promise<Counted> {
  if (isTrusted(row, name.period, now)) return countedOf(row);
  const counted = await count(queries, name, now);
  const isNew = row.period_end === 0;
  await writeCounter.run(queries, {
    subject: row.subject, subject_id: row.subject_id, period: row.period, period_start: counted.start, period_end: counted.end,
    requests: counted.requests, tokens: counted.tokens, cost_micros: counted.costMicros, recount_at: isNew ? now + settlesMs : null,
  });
  return counted;
}

function isTrusted(row: BudgetCountersTable, period: Period, now: number): boolean {
  if (row.recount_at !== null && row.recount_at <= now) return false;
  const { start } = periodAt(period, now);
  // Another instance's clock is ahead of ours: its period holds, or the two would count anew for each other in turn.
  return row.period_start === start || (row.period_start > start && row.period_start <= now + clocksDifferMs);
}

async function count(queries: Queries | WriteQueries, { subject, period }: CounterName, now: number): Promise<Counted> {
  const { start, end } = periodAt(period, now);
  const sums = await sumUsage[subject.kind].first(queries, { subject_id: subject.id, from: start, to: end });
  return { start, end, requests: Number(sums!.requests), tokens: Number(sums!.tokens), costMicros: Number(sums!.cost_micros) };
}

/** Adds what calls used to the counters there are of these subjects. Always in the same order, as `openCounters` locks them. */
export async function addCharges(queries: WriteQueries, charges: readonly { subject: BudgetSubject; at: number; charge: Charge }[]): Promise<void> {
  const ordered = [...charges].sort((one, other) => compare(one.subject.kind, other.subject.kind) || compare(one.subject.id, other.subject.id) || one.at - other.at);
  for (const { subject, at, charge } of ordered) {
    await addToCounters.run(queries, { subject: subject.kind, subject_id: subject.id, at, requests: charge.requests, tokens: charge.tokens, cost_micros: charge.costMicros });
  }
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function rowOf(rows: readonly BudgetCountersTable[], { subject, period }: CounterName): BudgetCountersTable | undefined {
  return rows.find((row) => row.subject === subject.kind && row.subject_id === subject.id && row.period === period);
}

function countedOf(row: BudgetCountersTable): Counted {
  return { start: row.period_start, end: row.period_end, requests: row.requests, tokens: row.tokens, costMicros: row.cost_micros };
}

function emptyCounter({ subject, period }: CounterName): Omit<BudgetCountersTable, 'user_id'> {
  return { subject: subject.kind, subject_id: subject.id, period, period_start: 0, period_end: 0, requests: 0, tokens: 0, cost_micros: 0, recount_at: null };
}
