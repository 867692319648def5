/** Counts events of the last minute, in parts of a second. */
export class RecentCount {
  private readonly counts = new Uint32Array(60);
  /** The second in which each count was made. */
  private readonly seconds = new Float64Array(60).fill(-Infinity);

  /** @param now milliseconds of a clock that never jumps */
  add(now: number): void {
    const second = Math.floor(now / 1000);
    const at = ((second % 60) + 60) % 60;
    if (this.seconds[at] !== second) {
      this.seconds[at] = second;
      this.counts[at] = 0;
    }
    this.counts[at]! += 1;
  }

  /** Events of the last 60 seconds, the one that runs included. */
  count(now: number): number {
    const first = Math.floor(now / 1000) - 59;
    let sum = 0;
    for (const [at, second] of this.seconds.entries()) if (second >= first) sum += this.counts[at]!;
    return sum;
  }
}
