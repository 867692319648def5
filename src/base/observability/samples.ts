/** Most samples one recording keeps; the oldest go first. */
const mostKept = 8192;

/** What was recorded in a window of time. */
export interface SampleWindow {
  /** Ascending. */
  values: Float64Array;
  /** How many of them were noted as failed. */
  failed: number;
  /** False when so much was recorded that some of the window had to be forgotten. */
  isWhole: boolean;
}

/**
 * The last measurements of one thing, each with its time: enough for true percentiles over any window of time they reach
 * back to. A record costs three writes into arrays, which are made with the first one.
 */
export class Samples {
  private readonly size: number;
  private times = new Float64Array(0);
  private values = new Float64Array(0);
  private failures = new Uint8Array(0);
  /** Records ever made. */
  private count = 0;
  /** Time of the youngest sample that was forgotten. */
  private forgottenAt = -Infinity;

  /** @param size most samples kept */
  constructor(size = mostKept) {
    this.size = size;
  }

  /**
   * @param at milliseconds of a clock that never jumps
   * @param value what was measured
   * @param failed whether what was measured failed
   */
  add(at: number, value: number, failed = false): void {
    if (this.count === 0) this.make();
    const place = this.count % this.size;
    if (this.count >= this.size) this.forgottenAt = this.times[place]!;
    this.times[place] = at;
    this.values[place] = value;
    this.failures[place] = failed ? 1 : 0;
    this.count += 1;
  }

  /** What was recorded behind this time. @param since milliseconds of the same clock */
  within(since: number): SampleWindow {
    const kept = Math.min(this.count, this.size);
    const found = new Float64Array(kept);
    let [length, failed] = [0, 0];
    for (let place = 0; place < kept; place += 1) {
      if (this.times[place]! <= since) continue;
      found[length] = this.values[place]!;
      length += 1;
      failed += this.failures[place]!;
    }
    return { values: found.subarray(0, length).sort(), failed, isWhole: this.forgottenAt <= since };
  }

  private make(): void {
    this.times = new Float64Array(this.size);
    this.values = new Float64Array(this.size);
    this.failures = new Uint8Array(this.size);
  }
}

/**
 * The value below or at which this share of all values lies, by nearest rank: always one that was measured.
 * @param ascending in ascending order
 * @param share above 0, up to 1
 * @returns null over nothing
 */
export function percentile(ascending: Float64Array, share: number): number | null {
  if (ascending.length === 0) return null;
  // 0.07 * 100 is a little more than 7 in binary: the rank must be 7 all the same.
  const rank = Math.ceil(Number((share * ascending.length).toFixed(9)));
  return ascending[Math.max(rank, 1) - 1]!;
}

/** @returns null over nothing */
export function mean(values: Float64Array): number | null {
  if (values.length === 0) return null;
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** What is recorded: milliseconds, each with its time by the monotonic clock. */
export interface Recordings {
  /** Calls of models, from the request to the last event; failed ones are those that the model or its service failed. */
  readonly ai: Samples;
  /** The same calls, from the request to the first token; those without one are left out. */
  readonly firstToken: Samples;
  /** Answers in conversations, from when this process took them in hand to when their end was stored. */
  readonly chat: Samples;
  /** Requests over HTTP to the end of their answers, streams left out; failed ones were answered with 500 or above. */
  readonly http: Samples;
}

export function createRecordings(): Recordings {
  return { ai: new Samples(), firstToken: new Samples(), chat: new Samples(), http: new Samples() };
}
