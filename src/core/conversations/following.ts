import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../accounts/index.ts';
import { openConversation, openMessage } from './access.ts';
import type { ConversationParts } from './parts.ts';
import { joinTexts, type TurnFeed } from './turns/feed.ts';
import type { Removals } from './members/removals.ts';
import { eventOfRow } from './turns/journal.ts';
import { patiently } from './turns/patience.ts';
import { RowFeeds, type RowFeed } from './turns/row-feed.ts';
import type { Conversations } from './contract.ts';
import type { TurnEvent } from './types.ts';
import type { Watched } from './watching.ts';

/** One reason for all: an error with a stack for each would cost more than the abort. */
const leaveReason = new Error('the reader has left');

/** Following answers as they grow, and conversations as they change. */
export function createFollowing(parts: ConversationParts, watched: Watched, removals: Removals): Pick<Conversations, 'attach' | 'watch'> {
  const { storage, runner } = parts;
  const feeds = new RowFeeds(parts);

  /** The conversation of an answer that the viewer may read. @throws {ParleyError} as `openMessage`; `conflict` */
  async function conversationOf(viewer: Viewer, messageId: string): Promise<string> {
    const running = runner.running.get(messageId)?.turn;
    // Whoever began a turn was let in when it began; it is read at once, without asking the rows again.
    if (running?.userId === viewer.userId && !removals.isStranger(messageId)) return running.conversationId;
    for (;;) {
      const { heard } = removals;
      const { message } = await openMessage(storage.read, viewer, messageId, 'read');
      if (message.role !== 'assistant') throw new ParleyError('conflict', { message: 'Only answers can be followed.' });
      if (removals.heard === heard) return message.conversation_id;
    }
  }

  // One generator and no other inside it: every token of every reader passes here.
  async function* attach(viewer: Viewer, messageId: string, afterSeq: number, caller: AbortSignal, pieces: 'joined' | 'each' = 'joined'): AsyncGenerator<TurnEvent[]> {
    const gather = pieces === 'each' ? apart : joinTexts;
    const { signal, isRemoved, release } = admit(viewer.userId, await conversationOf(viewer, messageId), caller);
    let seq = afterSeq;
    try {
      while (!signal.aborted) {
        const local = runner.running.get(messageId);
        const reader = local ? readFeed(local.feed, seq, signal, gather) : readRows(parts, feeds, messageId, seq, { signal, gather });
        try {
          for (let events = await reader.next(); events !== null; events = await reader.next()) {
            seq = events.at(-1)!.seq;
            yield events;
            if (events.at(-1)!.kind === 'end') return;
          }
        } finally {
          reader.close();
        }
        // The turn left this process, began in it, or its row is gone.
        if (!(await patiently(parts.clock, () => !signal.aborted, () => isThere(parts, messageId)))) return;
      }
      if (isRemoved()) throw new ParleyError('forbidden', { message: 'Access denied to this chat' });
    } finally {
      release();
    }
  }

  /** Lets somebody follow an answer until they want no more, or are taken out of its conversation. */
  function admit(userId: string, conversationId: string, caller: AbortSignal): { signal: AbortSignal; isRemoved(): boolean; release(): void } {
    const reading = new AbortController();
    let isRemoved = false;
    const stop = (): void => reading.abort(leaveReason);
    const unfollow = removals.follow(conversationId, { userId, removed: () => { isRemoved = true; stop(); } });
    caller.addEventListener('abort', stop, { once: true });
    if (caller.aborted) stop();
    return {
      signal: reading.signal,
      isRemoved: () => isRemoved && !caller.aborted,
      release() {
        unfollow();
        caller.removeEventListener('abort', stop);
      },
    };
  }

  return {
    attach,
    async watch(viewer, conversationId, receive) {
      await openConversation(storage.read, viewer, conversationId, 'read');
      return watched.watch(conversationId, receive);
    },
  };
}

/** Every event as it is. */
function apart(events: readonly TurnEvent[]): TurnEvent[] {
  return [...events];
}

async function isThere({ storage }: ConversationParts, messageId: string): Promise<boolean> {
  return (await storage.read.selectFrom('messages').select('id').where('id', '=', messageId).executeTakeFirst()) !== undefined;
}

/**
 * Gives the events of a turn as they are committed, neighbouring texts joined; null when there are no more in this place.
 * No generator, because every token of every reader passes here.
 */
interface TurnReader {
  next(): Promise<TurnEvent[] | null>;
  close(): void;
}

/** Something that may happen before anyone waits for it. */
class Bell {
  rung = false;
  private wake: (() => void) | null = null;

  ring = (): void => {
    this.rung = true;
    this.wake?.();
  };

  /** Resolves when it rings. */
  wait(): Promise<void> {
    if (this.rung) return Promise.resolve();
    return new Promise((resolve) => {
      this.wake = () => {
        this.wake = null;
        resolve();
      };
    });
  }
}

/** Events of a turn that runs in this process. Ends with it, or when it is lost. */
function readFeed(feed: TurnFeed, afterSeq: number, signal: AbortSignal, gather: typeof joinTexts): TurnReader {
  let seq = afterSeq;
  const bell = new Bell();
  const unsubscribe = feed.subscribe(bell.ring);
  signal.addEventListener('abort', bell.ring, { once: true });
  return {
    async next() {
      if (feed.seq <= seq && !feed.ended) await bell.wait();
      bell.rung = false;
      // Rung without a new event: the turn is over here.
      if (signal.aborted || feed.seq <= seq) return null;
      const events = gather(feed.events.slice(seq));
      seq = feed.seq;
      return events;
    },
    close() {
      unsubscribe();
      signal.removeEventListener('abort', bell.ring);
    },
  };
}

/**
 * Events of a turn that waits, has ended, or runs in another instance. What is there already is read by itself; what
 * comes then is read once for all readers in this process.
 */
function readRows(parts: ConversationParts, feeds: RowFeeds, messageId: string, afterSeq: number, { signal, gather }: { signal: AbortSignal; gather: typeof joinTexts }): TurnReader {
  let seq = afterSeq;
  let feed: RowFeed | null = null;
  let unsubscribe: () => void = () => undefined;
  const bell = new Bell();
  signal.addEventListener('abort', bell.ring, { once: true });
  const open = (): RowFeed => {
    feed = feeds.open(messageId, seq);
    unsubscribe = feed.subscribe(bell.ring);
    return feed;
  };
  return {
    async next() {
      while (!signal.aborted && !parts.runner.running.has(messageId)) {
        bell.rung = false;
        // What stands before the feed, which another reader may have begun further on, is read from the rows.
        if (feed === null || seq < feed.base) {
          const events = await patiently(parts.clock, () => !signal.aborted, () => rowEvents(parts, messageId, seq));
          if (events === null) return null;
          if (events.length > 0) {
            seq = events.at(-1)!.seq;
            return gather(events);
          }
        }
        const from = feed ?? open();
        if (from.seq > seq && seq >= from.base) {
          const events = gather(from.events.slice(seq - from.base));
          seq = from.seq;
          return events;
        }
        if (from.error !== null) throw from.error;
        if (from.over) return null;
        await bell.wait();
      }
      return null;
    },
    close() {
      unsubscribe();
      if (feed) feeds.close(feed);
      signal.removeEventListener('abort', bell.ring);
    },
  };
}

/** Committed events behind a seq; for an answer whose log has been folded away, what it says as one event. Null when it is gone. */
async function rowEvents({ storage }: ConversationParts, messageId: string, afterSeq: number): Promise<TurnEvent[] | null> {
  const message = await storage.read.selectFrom('messages').selectAll().where('id', '=', messageId).executeTakeFirst();
  if (!message) return null;
  const rows = await storage.read.selectFrom('turn_log').selectAll().where('message_id', '=', messageId).where('seq', '>', afterSeq).orderBy('seq').limit(5000).execute();
  if (rows.length > 0 || message.ended_at === null) return rows.map(eventOfRow);
  const events: TurnEvent[] = [];
  const isKept = await storage.read.selectFrom('turn_log').select('seq').where('message_id', '=', messageId).limit(1).executeTakeFirst();
  let seq = afterSeq;
  if (!isKept) {
    if (message.reasoning) events.push({ seq: ++seq, kind: 'reasoning', text: message.reasoning, offset: 0 });
    if (message.content) events.push({ seq: ++seq, kind: 'text', text: message.content, offset: 0 });
  }
  // Whoever has seen the end already, and asks again, is told the end again.
  const error = message.error_code === null ? null : { code: message.error_code, message: message.error_message ?? '' };
  events.push({ seq: ++seq, kind: 'end', status: message.status as Extract<TurnEvent, { kind: 'end' }>['status'], finishReason: message.finish_reason, error });
  return events;
}
