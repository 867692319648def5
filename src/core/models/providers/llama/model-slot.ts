import { ParleyError } from '../../../../base/errors.ts';

/**
 * The one place for a loaded model. Whoever wants to use a model waits here, first come first served: users of the
 * model that is loaded go in together, another model is loaded when all of them have left.
 */
export interface ModelSlot<Key, Loaded> {
  /**
   * Resolves when the model is loaded and may be used; call `release` when done.
   * @throws {ParleyError} `rate_limited` when too many wait, `cancelled` when the signal aborts, or why loading failed.
   */
  use(key: Key, signal: AbortSignal): Promise<{ loaded: Loaded; release: () => void }>;
  /** Whether using this model would neither put another one out nor wait for one. */
  isFreeFor(key: Key): boolean;
  /** Refuses whoever waits, waits for the users to leave, unloads. */
  close(): Promise<void>;
}

export interface ModelSlotOptions<Key, Loaded> {
  same(left: Key, right: Key): boolean;
  load(key: Key): Promise<Loaded>;
  unload(loaded: Loaded): Promise<void>;
  /** Most callers that wait at the same time. */
  maxWaiting: number;
}

interface Waiting<Key, Loaded> {
  key: Key;
  grant(use: { loaded: Loaded; release: () => void }): void;
  refuse(error: unknown): void;
}

export function createModelSlot<Key, Loaded>(options: ModelSlotOptions<Key, Loaded>): ModelSlot<Key, Loaded> {
  return new Slot(options);
}

class Slot<Key, Loaded> implements ModelSlot<Key, Loaded> {
  readonly #options: ModelSlotOptions<Key, Loaded>;
  readonly #waiting: Waiting<Key, Loaded>[] = [];
  #current: { key: Key; loaded: Loaded } | null = null;
  #users = 0;
  #switching: Promise<void> | null = null;
  #closed = false;
  #emptied: (() => void) | null = null;

  constructor(options: ModelSlotOptions<Key, Loaded>) {
    this.#options = options;
  }

  use(key: Key, signal: AbortSignal): Promise<{ loaded: Loaded; release: () => void }> {
    if (this.#closed) return Promise.reject(shuttingDown());
    if (signal.aborted) return Promise.reject(new ParleyError('cancelled'));
    if (this.#waiting.length >= this.#options.maxWaiting) {
      return Promise.reject(
        new ParleyError('rate_limited', {
          message: `${this.#waiting.length} requests already wait for the embedded engine. Try again in a moment.`,
          retryAfterMs: 5000,
        }),
      );
    }
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        entry.refuse(new ParleyError('cancelled'));
        this.#admit();
      };
      const entry: Waiting<Key, Loaded> = {
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
      signal.addEventListener('abort', abort);
      this.#waiting.push(entry);
      this.#admit();
    });
  }

  isFreeFor(key: Key): boolean {
    const isOther = (other: { key: Key }): boolean => !this.#options.same(other.key, key);
    return !this.#waiting.some(isOther) && !(this.#current !== null && isOther(this.#current));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const entry of this.#waiting.splice(0)) entry.refuse(shuttingDown());
    if (this.#switching !== null) await this.#switching;
    if (this.#users > 0) await new Promise<void>((resolve) => (this.#emptied = resolve));
    await this.#unload();
  }

  /** Lets in whoever may go in now; begins to load another model when its turn has come. */
  #admit(): void {
    while (this.#waiting.length > 0 && this.#switching === null) {
      const head = this.#waiting[0]!;
      if (this.#current !== null && this.#options.same(this.#current.key, head.key)) {
        this.#waiting.shift();
        this.#users += 1;
        head.grant({ loaded: this.#current.loaded, release: once(() => this.#leave()) });
      } else if (this.#users > 0) {
        return;
      } else {
        this.#switching = this.#switchTo(head.key).finally(() => {
          this.#switching = null;
          this.#admit();
        });
      }
    }
  }

  async #switchTo(key: Key): Promise<void> {
    try {
      await this.#unload();
      if (this.#closed) return;
      this.#current = { key, loaded: await this.#options.load(key) };
    } catch (error) {
      for (const other of this.#waiting.filter((entry) => this.#options.same(entry.key, key))) {
        this.#waiting.splice(this.#waiting.indexOf(other), 1);
        other.refuse(error);
      }
    }
  }

  async #unload(): Promise<void> {
    const old = this.#current;
    this.#current = null;
    if (old !== null) await this.#options.unload(old.loaded);
  }

  #leave(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#emptied?.();
    this.#admit();
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
