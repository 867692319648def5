import type { Clock } from '../../../../base/clock.ts';

/** Looks that make the health score. */
const probesKept = 20;
/** Requests looked at, and how long ago they may have ended (milliseconds), when it is asked whether many fail. */
const outcomesKept = 20;
const recentMs = 600_000;
/** Failures of the last requests from which an instance counts as degraded: this many, and this share. */
const leastFailures = 2;
const mostFailing = 0.2;

/** What was asked of an instance. */
export type OperationKind = 'answer' | 'embedding' | 'pull' | 'management';

/** How it ended: `failed` by a network error, a 5xx or a broken stream; `refused` by a request that is at fault, or given up by who asked. */
export type OperationOutcome = 'well' | 'failed' | 'refused';

/** What became of everything one instance was asked, since the start. */
export class InstanceRecord {
  /** Requests sent. */
  total = 0;
  succeeded = 0;
  failed = 0;
  /** Milliseconds since the epoch of the newest look; null before the first. */
  probedAt: number | null = null;
  readonly #clock: Clock;
  readonly #running: Record<OperationKind, number> = { answer: 0, embedding: 0, pull: 0, management: 0 };
  #outcomes: { at: number; failed: boolean }[] = [];
  #probes: boolean[] = [];
  #finished = 0;
  #finishedMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Requests it is working on now. */
  get running(): number {
    return Object.values(this.#running).reduce((sum, count) => sum + count, 0);
  }

  /** Answers and vectors it is making now: downloads leave its processor alone. */
  get working(): number {
    return this.#running.answer + this.#running.embedding;
  }

  /** Mean milliseconds of finished answers and vectors; null before the first. */
  get meanMs(): number | null {
    return this.#finished === 0 ? null : this.#finishedMs / this.#finished;
  }

  /** Share of the last looks that it answered in time; null before the first. */
  get healthScore(): number | null {
    return this.#probes.length === 0 ? null : this.#probes.filter(Boolean).length / this.#probes.length;
  }

  /** Whether many of its last requests failed. */
  get oftenFails(): boolean {
    const since = this.#clock.monotonic() - recentMs;
    const recent = this.#outcomes.filter(({ at }) => at > since);
    const failed = recent.filter((outcome) => outcome.failed).length;
    return failed >= leastFailures && failed / recent.length > mostFailing;
  }

  /** Notes a request that is being sent; what is returned notes its end, once. */
  begin(kind: OperationKind): (outcome: OperationOutcome) => void {
    const began = this.#clock.monotonic();
    this.total += 1;
    this.#running[kind] += 1;
    let isOver = false;
    return (outcome) => {
      if (isOver) return;
      isOver = true;
      this.#running[kind] -= 1;
      if (outcome === 'refused') return;
      const now = this.#clock.monotonic();
      if (outcome === 'well') this.succeeded += 1;
      else this.failed += 1;
      if (outcome === 'well' && (kind === 'answer' || kind === 'embedding')) {
        this.#finished += 1;
        this.#finishedMs += now - began;
      }
      this.#outcomes = [...this.#outcomes, { at: now, failed: outcome === 'failed' }].slice(-outcomesKept);
    };
  }

  /** Notes a look at the instance. */
  probed(answered: boolean): void {
    this.#probes = [...this.#probes, answered].slice(-probesKept);
    this.probedAt = this.#clock.now();
  }
}
