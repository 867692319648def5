import { ParleyError } from '../../base/errors.ts';
import type { BusMessage } from '../../base/events/index.ts';
import type { Viewer } from '../accounts/index.ts';
import { openConversation, openMessage } from './access.ts';
import type { ConversationParts } from './parts.ts';
import { toMessages } from './reading.ts';
import { toConversation } from './rows.ts';
import { joinTexts, type TurnFeed } from './turns/feed.ts';
import { eventOfRow } from './turns/journal.ts';
import type { ConversationEvent, Conversations, TurnEvent } from './types.ts';

/** How often the rows of a turn that runs elsewhere are looked at when no hint comes, milliseconds. */
const pollMs = 1000;

/** Following answers as they grow, and conversations as they change. */
export function createFollowing(parts: ConversationParts): Pick<Conversations, 'attach' | 'watch'> {
  const { storage, runner } = parts;
  const rooms = new Map<string, Room>();

  async function* attach(viewer: Viewer, messageId: string, afterSeq: number, signal: AbortSignal, pieces: 'joined' | 'each' = 'joined'): AsyncGenerator<TurnEvent[]> {
    const gather = pieces === 'each' ? apart : joinTexts;
    // Whoever began a turn was let in when it began; it is read at once, without asking the rows again.
    if (runner.running.get(messageId)?.turn.userId !== viewer.userId) {
      const { message } = await openMessage(storage.read, viewer, messageId, 'read');
      if (message.role !== 'assistant') throw new ParleyError('conflict', { message: 'Only answers can be followed.' });
    }
    let seq = afterSeq;
    while (!signal.aborted) {
      const local = runner.running.get(messageId);
      const reader = local ? readFeed(local.feed, seq, signal, gather) : readRows(parts, messageId, seq, signal, gather);
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
      const gone = !(await storage.read.selectFrom('messages').select('id').where('id', '=', messageId).executeTakeFirst());
      if (gone) return;
    }
  }

  function room(conversationId: string): Room {
    const known = rooms.get(conversationId);
    if (known) return known;
    const members = new Set<(event: ConversationEvent) => void>();
    let order: Promise<void> = Promise.resolve();
    const unsubscribe = parts.bus.subscribe(`conversation:${conversationId}`, (hint) => {
      // One after another, so that everybody hears them in the order in which they happened.
      order = order
        .then(async () => {
          const event = await eventOf(parts, conversationId, hint);
          if (event) for (const receive of members) receive(event);
        })
        .catch((error: unknown) => parts.log.error({ err: error, conversation: conversationId }, 'an event of a conversation could not be told'));
    });
    const made: Room = { members, close: () => { unsubscribe(); rooms.delete(conversationId); } };
    rooms.set(conversationId, made);
    return made;
  }

  return {
    attach,
    async watch(viewer, conversationId, receive) {
      await openConversation(storage.read, viewer, conversationId, 'read');
      const joined = room(conversationId);
      // A function of its own, so that the same listener may watch twice.
      const member = (event: ConversationEvent): void => receive(event);
      joined.members.add(member);
      return () => {
        joined.members.delete(member);
        if (joined.members.size === 0 && rooms.get(conversationId) === joined) joined.close();
      };
    },
  };
}

/** Every event as it is. */
function apart(events: readonly TurnEvent[]): TurnEvent[] {
  return [...events];
}

/** Those in this process who watch one conversation: rows are read once for all of them. */
interface Room {
  members: Set<(event: ConversationEvent) => void>;
  close(): void;
}

/** The event behind a hint, from the rows; null when they are gone. */
async function eventOf({ storage }: ConversationParts, conversationId: string, hint: BusMessage): Promise<ConversationEvent | null> {
  switch (hint.type) {
    case 'message':
    case 'turn':
    case 'turn_ended': {
      const row = await storage.read.selectFrom('messages').selectAll().where('id', '=', String(hint['messageId'])).executeTakeFirst();
      return row ? { type: hint.type, message: (await toMessages(storage.read, [row]))[0]! } : null;
    }
    case 'changed': {
      const owner = await storage.read.selectFrom('conversations').select('owner_id').where('id', '=', conversationId).executeTakeFirst();
      if (!owner) return null;
      const row = await openConversation(storage.read, { userId: owner.owner_id } as Viewer, conversationId, 'read');
      return { type: 'changed', conversation: toConversation(row) };
    }
    case 'branch_changed':
      return { type: 'branch_changed', headId: hint['headId'] as string | null };
    case 'typing':
      return { type: 'typing', userId: String(hint['userId']), username: String(hint['username']), at: Number(hint['at']) };
    case 'deleted':
      return { type: 'deleted' };
    default:
      return null;
  }
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

  /** Resolves when it rings, or after `milliseconds`. */
  wait(milliseconds?: number): Promise<void> {
    if (this.rung) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
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

/** Events of a turn that waits, has ended, or runs in another instance: from the rows, looked at when a hint comes. */
function readRows(parts: ConversationParts, messageId: string, afterSeq: number, signal: AbortSignal, gather: typeof joinTexts): TurnReader {
  let seq = afterSeq;
  const bell = new Bell();
  // Subscribed before the rows are read: what is committed after the reading rings.
  const unsubscribe = parts.bus.subscribe(`turn:${messageId}`, bell.ring);
  signal.addEventListener('abort', bell.ring, { once: true });
  return {
    async next() {
      while (!signal.aborted && !parts.runner.running.has(messageId)) {
        bell.rung = false;
        const events = await rowEvents(parts, messageId, seq);
        if (events === null) return null;
        if (events.length > 0) {
          seq = events.at(-1)!.seq;
          return gather(events);
        }
        await bell.wait(pollMs);
      }
      return null;
    },
    close() {
      unsubscribe();
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
