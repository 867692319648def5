import type { Clock } from '../../../../base/clock.ts';
import { ParleyError } from '../../../../base/errors.ts';
import { WaitingLine, type LineBounds } from './waiting-line.ts';

/**
 * The models in memory. A model is loaded when it is first asked for and stays while there is room. When another one
 * needs the room, those unused the longest go first, and never one that is in use: then the other waits until its
 * users have left, and nobody new is let in to them before it. Whoever waits is served in the order of coming.
 */
export interface ModelShelf<Key, Loaded> {
  /**
   * Resolves when the model is loaded and may be used; call `release` when done.
   * @param user who asks; undefined is the server itself
   * @throws {ParleyError} `rate_limited` when too many wait, `cancelled` when the signal aborts, `provider_unavailable`
   *   for a model that would not even fit alone, or why loading failed.
   */
  use(key: Key, signal: AbortSignal, user?: string): Promise<{ loaded: Loaded; release: () => void }>;
  /** Whether this model can be used at once. */
  isReady(key: Key): boolean;
  /** Whether using this model would neither put another one out nor wait for one. */
  isFreeFor(key: Key): boolean;
  /** Bytes that may be used now beside the models that are loaded. */
  room(): number;
  /** Counts bytes as used for as long as something beside the models needs them. The returned function gives them back. */
  borrow(bytes: number): () => void;
  /** What is loaded now. Times are milliseconds since the epoch. */
  list(): { key: Key; loaded: Loaded; bytes: number; loadedAt: number; lastUsedAt: number; expiresAt: number | null }[];
  /** Refuses whoever waits, waits for the users to leave, unloads. */
  close(): Promise<void>;
}

export interface ModelShelfOptions<Key, Loaded> {
  same(left: Key, right: Key): boolean;
  /** Bytes of memory a model takes, estimated. */
  size(key: Key): number;
  /** Bytes all models may take together. */
  budget(): number;
  /** Bytes that may be used now; they change with what else runs on the machine. */
  available(): number;
  /** The error for a model that does not fit, not even alone: into the budget, or into what is available. */
  tooLarge(key: Key, limit: 'budget' | 'available'): ParleyError;
  load(key: Key): Promise<Loaded>;
  /** Must not reject. */
  unload(loaded: Loaded): Promise<void>;
  /** Milliseconds after which an unused model is unloaded; 0 keeps it until its room is needed. */
  idleMs: number;
  bounds: LineBounds;
  clock: Clock;
}

interface Shelved<Key, Loaded> {
  key: Key;
  loaded: Loaded;
  bytes: number;
  users: number;
  loadedAt: number;
  lastUsedAt: number;
  /** Has to make room: nobody new is let in. */
  leaving: boolean;
}

interface Waiter<Key, Loaded> {
  user: string | undefined;
  key: Key;
  grant(use: { loaded: Loaded; release: () => void }): void;
  refuse(error: unknown): void;
}

/** Milliseconds until a model may have been loaded. */
const retryAfterMs = 5000;
/** Longest time of a timer. */
const longestTimer = 2 ** 31 - 1;

export function createModelShelf<Key, Loaded>(options: ModelShelfOptions<Key, Loaded>): ModelShelf<Key, Loaded> {
  return new Shelf(options);
}

class Shelf<Key, Loaded> implements ModelShelf<Key, Loaded> {
  readonly #options: ModelShelfOptions<Key, Loaded>;
  readonly #line: WaitingLine<Waiter<Key, Loaded>>;
  readonly #shelved: Shelved<Key, Loaded>[] = [];
  #changing: Promise<void> | null = null;
  #closed = false;
  #emptied: (() => void) | null = null;
  #timer: NodeJS.Timeout | undefined;
  #borrowed = 0;

  constructor(options: ModelShelfOptions<Key, Loaded>) {
    this.#options = options;
    this.#line = new WaitingLine(options.bounds);
  }

  async use(key: Key, signal: AbortSignal, user?: string): Promise<{ loaded: Loaded; release: () => void }> {
    if (this.#closed) throw shuttingDown();
    if (signal.aborted) throw new ParleyError('cancelled');
    const bytes = this.#options.size(key);
    if (bytes > this.#options.budget()) throw this.#options.tooLarge(key, 'budget');
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        if (this.#line.remove(entry)) entry.refuse(new ParleyError('cancelled'));
        this.#admit();
      };
      const entry: Waiter<Key, Loaded> = {
        user,
        key,
        grant: (use) => {
          signal.removeEventListener('abort', abort);
          resolve(use);
        },
        refuse: (error) => {
          signal.removeEventListener('abort', abort);
          reject(error as Error);
        },
      };
      this.#line.add(entry, retryAfterMs);
      signal.addEventListener('abort', abort);
      this.#admit();
    });
  }

  isReady(key: Key): boolean {
    const shelved = this.#find(key);
    return shelved !== undefined && !shelved.leaving;
  }

  isFreeFor(key: Key): boolean {
    if (this.#closed) return false;
    if (this.isReady(key)) return true;
    if (this.#line.entries.length > 0 || this.#changing !== null) return this.#line.entries.every((entry) => this.#options.same(entry.key, key));
    return this.#fits(this.#options.size(key), this.#shelved);
  }

  room(): number {
    const { budget, available } = this.#options;
    const used = this.#shelved.reduce((sum, { bytes }) => sum + bytes, this.#borrowed);
    return Math.max(0, Math.min(budget() - used, available()));
  }

  borrow(bytes: number): () => void {
    this.#borrowed += bytes;
    return once(() => {
      this.#borrowed -= bytes;
      if (!this.#closed) this.#admit();
    });
  }

  list(): ReturnType<ModelShelf<Key, Loaded>['list']> {
    const now = this.#options.clock.now();
    return this.#shelved.map(({ key, loaded, bytes, users, loadedAt, lastUsedAt }) => ({
      key,
      loaded,
      bytes,
      loadedAt,
      lastUsedAt: users > 0 ? now : lastUsedAt,
      expiresAt: users > 0 || this.#options.idleMs === 0 ? null : lastUsedAt + this.#options.idleMs,
    }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const entry of this.#line.removeAll()) entry.refuse(shuttingDown());
    if (this.#changing !== null) await this.#changing;
    if (this.#shelved.some(({ users }) => users > 0)) await new Promise<void>((resolve) => (this.#emptied = resolve));
    await Promise.all(this.#shelved.splice(0).map(({ loaded }) => this.#options.unload(loaded)));
  }

  /** Lets in whoever may go in now; begins to make room for the first whose model is not there. */
  #admit(): void {
    let roomFor: Waiter<Key, Loaded> | undefined;
    if (this.#changing === null) {
      for (const shelved of this.#shelved) shelved.leaving = false;
      const absent = this.#line.entries.findIndex((entry) => this.#find(entry.key) === undefined);
      this.#letIn(absent < 0 ? this.#line.entries : this.#line.entries.slice(0, absent));
      const head = absent < 0 ? undefined : this.#line.entries[0];
      if (head !== undefined && this.#canMakeRoom(this.#options.size(head.key))) roomFor = head;
    }
    this.#letIn(this.#line.entries);
    if (roomFor !== undefined) this.#begin(this.#change(roomFor.key));
    else this.#planExpiry();
  }

  #letIn(entries: readonly Waiter<Key, Loaded>[]): void {
    for (const entry of entries.filter(({ key }) => this.isReady(key))) {
      const shelved = this.#find(entry.key)!;
      this.#line.remove(entry);
      shelved.users += 1;
      entry.grant({ loaded: shelved.loaded, release: once(() => this.#leave(shelved)) });
    }
  }

  /** Nothing else is loaded or unloaded until this is done. */
  #begin(change: Promise<void>): void {
    this.#changing = change.finally(() => {
      this.#changing = null;
      if (!this.#closed) this.#admit();
    });
  }

  /**
   * Whether enough models are unused. If not, those that have to go are marked, the ones unused the longest first:
   * when their users have left, this is asked again.
   */
  #canMakeRoom(bytes: number): boolean {
    const staying = [...this.#shelved].sort(
      (one, other) => Number(one.users > 0) - Number(other.users > 0) || one.lastUsedAt - other.lastUsedAt,
    );
    while (staying.length > 0 && !this.#fits(bytes, staying)) staying.shift()!.leaving = true;
    return this.#shelved.every((shelved) => !shelved.leaving || shelved.users === 0);
  }

  #fits(bytes: number, beside: readonly Shelved<Key, Loaded>[]): boolean {
    const kept = beside.reduce((sum, shelved) => sum + shelved.bytes, 0);
    const freed = this.#shelved.reduce((sum, shelved) => sum + shelved.bytes, 0) - kept;
    return kept + this.#borrowed + bytes <= this.#options.budget() && bytes <= this.#options.available() + freed;
  }

  /** Unloads what has to go and loads the model, one at a time. */
  async #change(key: Key): Promise<void> {
    try {
      for (const old of this.#shelved.filter(({ leaving }) => leaving)) await this.#unload(old);
      if (this.#closed || this.#find(key) !== undefined) return;
      const bytes = this.#options.size(key);
      if (bytes > this.#options.available()) throw this.#options.tooLarge(key, 'available');
      const loaded = await this.#options.load(key);
      const now = this.#options.clock.now();
      this.#shelved.push({ key, loaded, bytes, users: 0, loadedAt: now, lastUsedAt: now, leaving: false });
    } catch (error) {
      for (const other of this.#line.entries.filter((entry) => this.#options.same(entry.key, key))) {
        this.#line.remove(other);
        other.refuse(error);
      }
    }
  }

  async #unload(old: Shelved<Key, Loaded>): Promise<void> {
    const at = this.#shelved.indexOf(old);
    if (at < 0 || old.users > 0) return;
    this.#shelved.splice(at, 1);
    await this.#options.unload(old.loaded);
  }

  #leave(shelved: Shelved<Key, Loaded>): void {
    shelved.users -= 1;
    shelved.lastUsedAt = this.#options.clock.now();
    if (this.#closed) {
      if (this.#shelved.every(({ users }) => users === 0)) this.#emptied?.();
      return;
    }
    this.#admit();
  }

  /** Sets a timer for the model that is unused the longest. */
  #planExpiry(): void {
    clearTimeout(this.#timer);
    const { idleMs, clock } = this.#options;
    const idle = this.#shelved.filter(({ users }) => users === 0);
    if (idleMs === 0 || idle.length === 0 || this.#closed || this.#changing !== null) return;
    const next = Math.min(...idle.map(({ lastUsedAt }) => lastUsedAt)) + idleMs;
    this.#timer = setTimeout(() => this.#expire(), Math.min(longestTimer, Math.max(1, next - clock.now())));
    this.#timer.unref();
  }

  #expire(): void {
    if (this.#changing !== null || this.#closed) return;
    const before = this.#options.clock.now() - this.#options.idleMs;
    const old = this.#shelved.filter(({ users, lastUsedAt }) => users === 0 && lastUsedAt <= before);
    this.#begin(Promise.all(old.map((shelved) => this.#unload(shelved))).then(() => undefined));
  }

  #find(key: Key): Shelved<Key, Loaded> | undefined {
    return this.#shelved.find((shelved) => this.#options.same(shelved.key, key));
  }
}

function shuttingDown(): ParleyError {
  return new ParleyError('cancelled', { message: 'The server is shutting down.' });
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
