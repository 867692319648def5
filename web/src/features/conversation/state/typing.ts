/** Milliseconds for which somebody counts as typing after the last word of it; writers say it every few seconds. */
const countsMs = 6000;

export interface Typist {
  readonly userId: string;
  readonly username: string;
}

/** Who is typing now. */
export class Typists {
  private readonly onChange: () => void;
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private list: readonly Typist[] = [];

  constructor(onChange: () => void) {
    this.onChange = onChange;
  }

  get entries(): readonly Typist[] {
    return this.list;
  }

  heard(typist: Typist): void {
    clearTimeout(this.timers.get(typist.userId));
    this.timers.set(typist.userId, setTimeout(() => this.remove(typist.userId), countsMs));
    if (this.list.some(({ userId }) => userId === typist.userId)) return;
    this.list = [...this.list, typist];
    this.onChange();
  }

  /** Somebody has sent what they were typing, or has left. */
  remove(userId: string | null): void {
    if (userId === null || !this.timers.has(userId)) return;
    clearTimeout(this.timers.get(userId));
    this.timers.delete(userId);
    this.list = this.list.filter((typist) => typist.userId !== userId);
    this.onChange();
  }

  stop(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    this.list = [];
  }
}
