/** Work that is done over and over, one after another: `everyMs` after it ended, or at once when told to. */
export class Repeating {
  private readonly work: () => Promise<void>;
  private readonly everyMs: number;
  private readonly onError: (error: unknown) => void;
  private timer: NodeJS.Timeout | undefined;
  private current: Promise<void> | null = null;
  private again = false;
  private stopped = true;

  constructor(everyMs: number, work: () => Promise<void>, onError: (error: unknown) => void) {
    this.everyMs = everyMs;
    this.work = work;
    this.onError = onError;
  }

  start(): void {
    this.stopped = false;
    this.schedule();
  }

  /** Does it now; when it is being done, once more behind it. */
  soon(): void {
    if (this.stopped) return;
    this.again = true;
    this.current ??= this.run();
  }

  /** Ends it; resolves when what is being done has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.current;
  }

  private async run(): Promise<void> {
    clearTimeout(this.timer);
    while (this.again && !this.stopped) {
      this.again = false;
      await this.work().catch(this.onError);
    }
    this.current = null;
    if (!this.stopped) this.schedule();
  }

  private schedule(): void {
    this.timer = setTimeout(() => this.soon(), this.everyMs);
    this.timer.unref();
  }
}
