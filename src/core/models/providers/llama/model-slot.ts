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
  /** The model of this key, if it is the one loaded now. Not kept from being unloaded. */
  peek(key: Key): Loaded | null;
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
  const waiting: Waiting<Key, Loaded>[] = [];
  let current: { key: Key; loaded: Loaded } | null = null;
  let users = 0;
  let switching: Promise<void> | null = null;
  let closed = false;
  let emptied: (() => void) | null = null;

  function admit(): void {
    while (waiting.length > 0 && switching === null) {
      const head = waiting[0]!;
      if (current !== null && options.same(current.key, head.key)) {
        waiting.shift();
        users += 1;
        head.grant({ loaded: current.loaded, release: once(leave) });
      } else if (users > 0) {
        return;
      } else {
        switching = switchTo(head.key).finally(() => {
          switching = null;
          admit();
        });
      }
    }
  }

  async function switchTo(key: Key): Promise<void> {
    try {
      await unloadCurrent();
      if (closed) return;
      current = { key, loaded: await options.load(key) };
    } catch (error) {
      for (const other of waiting.filter((entry) => options.same(entry.key, key))) {
        waiting.splice(waiting.indexOf(other), 1);
        other.refuse(error);
      }
    }
  }

  async function unloadCurrent(): Promise<void> {
    const old = current;
    current = null;
    if (old !== null) await options.unload(old.loaded);
  }

  function leave(): void {
    users -= 1;
    if (users === 0) emptied?.();
    admit();
  }

  return {
    use(key, signal) {
      if (closed) return Promise.reject(new ParleyError('cancelled', { message: 'The server is shutting down.' }));
      if (signal.aborted) return Promise.reject(new ParleyError('cancelled'));
      if (waiting.length >= options.maxWaiting) {
        return Promise.reject(new ParleyError('rate_limited', {
          message: `${waiting.length} requests already wait for the embedded engine. Try again in a moment.`,
          retryAfterMs: 5000,
        }));
      }
      return new Promise((resolve, reject) => {
        const stopListening = (): void => signal.removeEventListener('abort', abort);
        const entry: Waiting<Key, Loaded> = {
          key,
          grant: (use) => {
            stopListening();
            resolve(use);
          },
          refuse: (error) => {
            stopListening();
            reject(error as Error);
          },
        };
        function abort(): void {
          waiting.splice(waiting.indexOf(entry), 1);
          entry.refuse(new ParleyError('cancelled'));
          admit();
        }
        signal.addEventListener('abort', abort);
        waiting.push(entry);
        admit();
      });
    },
    peek: (key) => (current !== null && options.same(current.key, key) ? current.loaded : null),
    async close() {
      closed = true;
      for (const entry of waiting.splice(0)) entry.refuse(new ParleyError('cancelled', { message: 'The server is shutting down.' }));
      if (switching !== null) await switching;
      if (users > 0) await new Promise<void>((resolve) => (emptied = resolve));
      await unloadCurrent();
    },
  };
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
