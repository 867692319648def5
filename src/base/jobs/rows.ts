import type { JobsTable } from '../storage/index.ts';
import type { Job } from './types.ts';

export const endedStates = ['done', 'failed', 'cancelled'] as const satisfies Job['state'][];

export function hasEnded(job: Pick<Job, 'state'>): boolean {
  return (endedStates as readonly string[]).includes(job.state);
}

/** A kind without the machine that must do it. */
export function kindOf(kind: string): string {
  return kind.split('@', 1)[0]!;
}

export function toJob(row: JobsTable): Job {
  return {
    id: row.id,
    kind: row.kind,
    userId: row.user_id,
    payload: JSON.parse(row.payload),
    state: row.state,
    attempts: row.attempts,
    progress: row.progress,
    note: fromJson(row.note),
    result: fromJson(row.result),
    error: row.error,
    createdAt: row.created_at,
    endedAt: row.ended_at,
  };
}

/** Most characters of JSON in one column of a job: larger things belong into files or tables of their own. */
const maxJsonLength = 1_000_000;

/** JSON for a column; `undefined` is null. @throws {RangeError} when it is too long */
export function toJson(value: unknown, what: string): string | null {
  const text = JSON.stringify(value);
  if (text === undefined) return null;
  if (text.length > maxJsonLength) throw new RangeError(`The ${what} of a job is longer than ${maxJsonLength} characters.`);
  return text;
}

function fromJson(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}
