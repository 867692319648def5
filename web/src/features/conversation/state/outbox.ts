import { messageOf, type ApiError } from '../../../shared/api/index.ts';

/** A message on its way to the server. It keeps its key, so that sending it again never makes a second one. */
export interface Outgoing {
  readonly key: string;
  readonly content: string;
  /** Pictures as data: addresses. */
  readonly images: readonly string[];
  readonly state: 'sending' | 'failed';
  /** Why it failed, for a person; null while it is being sent. */
  readonly error: string | null;
  /** The server was not heard: it is sent again by itself when the connection is back. */
  readonly isOffline: boolean;
}

/** Keeps texts in this browser, so that nothing typed is lost by closing the page. */
export interface TextStorage {
  read(name: string): string | null;
  /** Null removes it. */
  write(name: string, value: string | null): void;
}

export interface OutboxOptions {
  /** Name in the storage. */
  name: string;
  storage: TextStorage;
  newKey(): string;
  deliver(entry: Outgoing): Promise<void>;
  onChange(): void;
}

/** Messages that are not stored at the server yet, in the order they were written; sent one after another. */
export class Outbox {
  private readonly options: OutboxOptions;
  private list: readonly Outgoing[];
  private isBusy = false;

  constructor(options: OutboxOptions) {
    this.options = options;
    this.list = parseStored(options.storage.read(options.name));
  }

  get entries(): readonly Outgoing[] {
    return this.list;
  }

  /** Goes on with what an earlier page could not finish. */
  resume(): void {
    void this.work();
  }

  add(content: string, images: readonly string[] = []): void {
    this.replace([...this.list, { key: this.options.newKey(), content, images, state: 'sending', error: null, isOffline: false }]);
    void this.work();
  }

  /** Sends a failed message again. */
  retry(key: string): void {
    this.replace(this.list.map((entry) => (entry.key === key ? waiting(entry) : entry)));
    void this.work();
  }

  /** Sends everything again that failed because the server was not heard. */
  retryOffline(): void {
    this.replace(this.list.map((entry) => (entry.isOffline ? waiting(entry) : entry)));
    void this.work();
  }

  /** Takes a message out: it has arrived, or its writer does not want it any more. */
  remove(key: string): void {
    if (this.list.some((entry) => entry.key === key)) this.replace(this.list.filter((entry) => entry.key !== key));
  }

  /** Whether an answer of the server is awaited: it will say where its messages stand. */
  get isSending(): boolean {
    return this.isBusy;
  }

  private async work(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    for (let next = this.next(); next; next = this.next()) {
      try {
        await this.options.deliver(next);
        this.remove(next.key);
      } catch (error) {
        this.fail(next.key, error as ApiError);
      }
    }
    this.isBusy = false;
  }

  /** Order matters in a conversation: nothing overtakes a message that waits for the connection. */
  private next(): Outgoing | undefined {
    const first = this.list.find((entry) => entry.state === 'sending' || entry.isOffline);
    return first?.state === 'sending' ? first : undefined;
  }

  private fail(key: string, error: ApiError): void {
    const isOffline = error.isNetwork === true;
    this.replace(this.list.map((entry) => (entry.key === key ? { ...entry, state: 'failed', error: messageOf(error), isOffline } : entry)));
  }

  private replace(list: readonly Outgoing[]): void {
    this.list = list;
    // What is too large for the browser's storage waits only as long as the page is open; half of it would be worse than nothing.
    const stored = list.filter(({ images }) => sizeOf(images) <= mostKept).map(({ key, content, images, error, isOffline }) => ({ key, content, images, error, isOffline }));
    this.options.storage.write(this.options.name, stored.length > 0 ? JSON.stringify(stored) : null);
    this.options.onChange();
  }
}

/** Most characters of pictures that are kept in the browser for one message. */
const mostKept = 1_500_000;

function sizeOf(images: readonly string[]): number {
  return images.reduce((sum, image) => sum + image.length, 0);
}

function waiting(entry: Outgoing): Outgoing {
  return { ...entry, state: 'sending', error: null, isOffline: false };
}

/** What an earlier page could not finish. Its keys come along, so that what did arrive is not sent twice. */
function parseStored(text: string | null): readonly Outgoing[] {
  if (text === null) return [];
  try {
    const list = JSON.parse(text) as Partial<Outgoing>[];
    return list.flatMap(({ key, content, images: kept, error, isOffline }) => {
      if (typeof key !== 'string' || typeof content !== 'string') return [];
      const images = Array.isArray(kept) ? kept.filter((image) => typeof image === 'string') : [];
      const entry: Outgoing = { key, content, images, state: 'failed', error: error ?? null, isOffline: isOffline === true };
      return [error ? entry : waiting(entry)];
    });
  } catch {
    // Not written by this page: there is nothing to send.
    return [];
  }
}
