/**
 * Lets one writer in at a time, first come first served. SQLite has one writer anyway; waiting here instead of in
 * SQLite's busy handler keeps the event loop free.
 */
export class WriteLock {
  #held = false;
  #waiting: (() => void)[] = [];

  /** Takes the lock if nobody holds it, without waiting. */
  tryAcquire(): boolean {
    if (this.#held) return false;
    this.#held = true;
    return true;
  }

  /** Resolves when the caller holds the lock. */
  async acquire(): Promise<void> {
    if (this.tryAcquire()) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Gives the lock to the one that has waited longest. Only the holder may call it. */
  release(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#held = false;
  }
}
