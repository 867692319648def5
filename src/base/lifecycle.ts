/** A part of the server that has something to start or to end. */
export interface Part {
  /** Shown in logs and in the health report. */
  readonly name: string;
  /** Resolves when the part is ready for use. */
  start?(): Promise<void>;
  /** Ends the part; called once, in the reverse order of starting. Must not throw for a part that never started. */
  stop?(): Promise<void>;
}

/** Starts parts in order. If one fails, those already started are stopped again and the error is thrown. */
export async function startAll(parts: readonly Part[]): Promise<void> {
  const started: Part[] = [];
  for (const part of parts) {
    try {
      await part.start?.();
      started.push(part);
    } catch (error) {
      await stopAll(started);
      throw error;
    }
  }
}

/** Stops parts in reverse order. Every part is stopped, whatever another one throws; the first error is thrown at the end. */
export async function stopAll(parts: readonly Part[]): Promise<void> {
  let first: { error: unknown } | undefined;
  for (const part of [...parts].reverse()) {
    try {
      await part.stop?.();
    } catch (error) {
      first ??= { error };
    }
  }
  if (first) throw first.error;
}
