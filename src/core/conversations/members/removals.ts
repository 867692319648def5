import { isGap, type Bus, type BusMessage } from '../../../base/events/index.ts';
import type { ConversationParts } from '../parts.ts';

/** How often the rows of everything that is followed are looked at without a hint, where there may be other instances, milliseconds. */
const lookMs = 5000;
/** Conversations looked at with one query. */
const rowsAtOnce = 500;

const topic = 'participants';

/** Says to all instances that somebody takes no part in a conversation any more. */
export function tellRemoved(bus: Bus, conversationId: string, userId: string): void {
  bus.publish(topic, { type: 'removed', conversationId, userId });
}

/** Somebody who follows an answer, and must not any longer than they take part. */
interface Follower {
  userId: string;
  /** Called once. */
  removed(): void;
}

/**
 * Ends what is followed here by who has been taken out of the conversation. The hint is one for the whole process, so
 * that following an answer subscribes to nothing; that it is true is read from the rows, and so is what no hint told of.
 */
export interface Removals {
  /** Grows with each removal that is heard of: who let somebody in by the rows, and finds it grown since, looks again. */
  readonly heard: number;
  /** Until the returned function is called. */
  follow(conversationId: string, follower: Follower): () => void;
  /** Whether who began this answer, which runs here, was taken out of its conversation meanwhile. */
  isStranger(messageId: string): boolean;
  start(): void;
  stop(): void;
}

export function createRemovals(parts: Pick<ConversationParts, 'storage' | 'bus' | 'log' | 'runner'>): Removals {
  const { storage, bus, log, runner } = parts;
  const followers = new Map<string, Set<Follower>>();
  const strangers = new Set<string>();
  let heard = 0;
  let timer: NodeJS.Timeout | undefined;
  let unsubscribe: () => void = () => undefined;

  /** Ends those of these conversations who have no row there. */
  const compare = async (conversationIds: readonly string[]): Promise<void> => {
    const userIds = new Set(conversationIds.flatMap((id) => [...(followers.get(id) ?? [])].map((follower) => follower.userId)));
    if (userIds.size === 0) return;
    const rows = await storage.read.selectFrom('participants').select(['conversation_id', 'user_id'])
      .where('conversation_id', 'in', [...conversationIds]).where('user_id', 'in', [...userIds]).execute();
    const there = new Set(rows.map((row) => `${row.conversation_id} ${row.user_id}`));
    for (const id of conversationIds) {
      for (const follower of followers.get(id) ?? []) if (!there.has(`${id} ${follower.userId}`)) follower.removed();
    }
  };
  const estrange = (conversationId: string, userId: string): void => {
    for (const id of strangers) if (!runner.running.has(id)) strangers.delete(id);
    for (const [id, { turn }] of runner.running) if (turn.conversationId === conversationId && turn.userId === userId) strangers.add(id);
  };
  const compareQuietly = (conversationIds: readonly string[]): Promise<void> =>
    compare(conversationIds).catch((error: unknown) => log.warn({ err: error }, 'who takes part in followed conversations could not be read'));
  const lookAtAll = async (): Promise<void> => {
    const ids = [...followers.keys()];
    for (let first = 0; first < ids.length; first += rowsAtOnce) await compareQuietly(ids.slice(first, first + rowsAtOnce));
    timer?.refresh();
  };
  const receive = (hint: BusMessage): void => {
    heard += 1;
    if (isGap(hint)) {
      if (hint.reason === 'reconnected') void lookAtAll();
      return;
    }
    const conversationId = String(hint['conversationId']);
    estrange(conversationId, String(hint['userId']));
    if (followers.has(conversationId)) void compareQuietly([conversationId]);
  };

  return {
    get heard() {
      return heard;
    },
    follow(conversationId, follower) {
      const here = followers.get(conversationId) ?? new Set();
      followers.set(conversationId, here.add(follower));
      return () => {
        here.delete(follower);
        if (here.size === 0 && followers.get(conversationId) === here) followers.delete(conversationId);
      };
    },
    isStranger: (messageId) => strangers.size > 0 && strangers.has(messageId),
    start() {
      unsubscribe = bus.subscribe(topic, receive);
      if (storage.engine === 'postgres') timer = setTimeout(() => void lookAtAll(), lookMs).unref();
    },
    stop() {
      unsubscribe();
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
