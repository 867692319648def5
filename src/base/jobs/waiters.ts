/** Wakes those who wait for a job to change in this process. What happens in others they see by looking at the row. */
export class Waiters {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Resolves at `wake(id)`, after `milliseconds`, or when the signal is aborted, whichever comes first. */
  async next(id: string, milliseconds: number, signal?: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        const waiting = this.#waiting.get(id);
        waiting?.delete(done);
        if (waiting?.size === 0) this.#waiting.delete(id);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      signal?.addEventListener('abort', done);
      const waiting = this.#waiting.get(id) ?? new Set();
      waiting.add(done);
      this.#waiting.set(id, waiting);
      if (signal?.aborted) done();
    });
  }

  wake(id: string): void {
    for (const done of this.#waiting.get(id) ?? []) done();
  }
}
