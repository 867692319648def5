import type { Clock } from '../../../base/clock.ts';
import { ParleyError } from '../../../base/errors.ts';
import type { Bus } from '../../../base/events/index.ts';
import type { Storage } from '../../../base/storage/index.ts';
import type { TurnEvent } from '../types.ts';
import { eventOfRow } from './journal.ts';
import { readPatienceMs } from './patience.ts';

/** How often the rows of a turn that runs elsewhere are looked at when no hint comes, milliseconds. */
const pollMs = 1000;
/** Rows read at once; more are read in the next go. */
const rowsAtOnce = 5000;

interface RowFeedParts {
  storage: Storage;
  bus: Bus;
  clock: Clock;
}

/** The row feeds of this process: one for each turn that is followed here and does not run here. */
export class RowFeeds {
  private readonly feeds = new Map<string, { feed: RowFeed; readers: number }>();
  private readonly parts: RowFeedParts;

  constructor(parts: RowFeedParts) {
    this.parts = parts;
  }

  /** The feed of a turn; begun behind `afterSeq` when it is the first. Every `open` needs its `close`. */
  open(messageId: string, afterSeq: number): RowFeed {
    const known = this.feeds.get(messageId);
    if (known && !known.feed.over) {
      known.readers += 1;
      return known.feed;
    }
    const feed = new RowFeed(this.parts, messageId, afterSeq);
    this.feeds.set(messageId, { feed, readers: 1 });
    feed.begin();
    return feed;
  }

  close(feed: RowFeed): void {
    const known = this.feeds.get(feed.messageId);
    // A feed that is over has a successor under its name, perhaps.
    if (known?.feed !== feed) return feed.stop();
    known.readers -= 1;
    if (known.readers > 0) return;
    this.feeds.delete(feed.messageId);
    feed.stop();
  }
}

/**
 * The committed events of a turn that waits, or runs in another instance: read from the rows when a hint comes, and now
 * and then without one, once for all who follow it in this process.
 */
export class RowFeed {
  readonly messageId: string;
  /** Seq behind which `events` begin: the event with seq n stands at index n - base - 1. */
  readonly base: number;
  readonly events: TurnEvent[] = [];
  /** Set when nothing more will come here: it has ended, its row is gone, or its log was folded away. */
  over = false;
  /** Why the rows cannot be read any more; null while they can. */
  error: unknown = null;
  private readonly parts: RowFeedParts;
  private readonly listeners = new Set<() => void>();
  private unsubscribe: () => void = () => undefined;
  private timer: NodeJS.Timeout | undefined;
  private reading = false;
  private again = false;
  private failingSince: number | null = null;

  constructor(parts: RowFeedParts, messageId: string, base: number) {
    this.parts = parts;
    this.messageId = messageId;
    this.base = base;
  }

  get seq(): number {
    return this.base + this.events.length;
  }

  /** Calls `listener` when there is something new, or nothing more. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  begin(): void {
    const topic = `turn:${this.messageId}`;
    // Subscribed before the rows are read: what is committed after the reading rings.
    this.unsubscribe = this.parts.bus.subscribe(topic, () => this.ring());
    void this.parts.bus.listening(topic).then(() => this.ring());
  }

  stop(): void {
    this.over = true;
    clearTimeout(this.timer);
    this.unsubscribe();
  }

  /** Reads now; while it reads already, once more behind it, however often it rings. */
  private ring(): void {
    this.again = true;
    if (!this.reading && !this.over) void this.readAll();
  }

  private async readAll(): Promise<void> {
    clearTimeout(this.timer);
    this.reading = true;
    try {
      while (this.again && !this.over) {
        this.again = false;
        await this.read();
      }
      this.failingSince = null;
    } catch (error) {
      this.failed(error);
    } finally {
      this.reading = false;
    }
    if (!this.over) this.timer = setTimeout(() => this.ring(), pollMs).unref();
  }

  private async read(): Promise<void> {
    const { read } = this.parts.storage;
    const rows = await read.selectFrom('turn_log').selectAll().where('message_id', '=', this.messageId).where('seq', '>', this.seq).orderBy('seq').limit(rowsAtOnce).execute();
    if (rows.length > 0) {
      for (const row of rows) this.events.push(eventOfRow(row));
      if (rows.at(-1)!.kind === 'end') this.over = true;
      else if (rows.length === rowsAtOnce) this.again = true;
      return this.wake();
    }
    const message = await read.selectFrom('messages').select('ended_at').where('id', '=', this.messageId).executeTakeFirst();
    if (message?.ended_at === null) return;
    // Ended or gone since its log was read. Readers look once more, and find the end in the rows or the message.
    this.over = true;
    this.wake();
  }

  /** A database that is away comes back: readers wait for it for a while. */
  private failed(error: unknown): void {
    const now = this.parts.clock.monotonic();
    this.failingSince ??= now;
    const mayPass = error instanceof ParleyError && error.code === 'storage_unavailable';
    if (mayPass && now - this.failingSince < readPatienceMs) return;
    this.error = error;
    this.over = true;
    this.wake();
  }

  private wake(): void {
    for (const listener of this.listeners) listener();
  }
}
