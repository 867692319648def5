/** How thoroughly to measure. */
export interface MeasureOptions {
  /** Rounds of which the median counts. */
  rounds: number;
  /** Shorter rounds: for a first look. */
  quick: boolean;
  /** Whether the peers run beside. */
  peers: boolean;
  /** How long the soak lasts. */
  minutes: number;
  /** Only what has this in its name, of the measures that compare several ways; null for all. */
  only: string | null;
}
