import type { Clock } from '../../../base/clock.ts';
import type { Log } from '../../../base/observability/index.ts';
import type { Storage } from '../../../base/storage/index.ts';
import { markRead } from '../statements.ts';

/** Milliseconds for which marks are gathered: at most one write for each user and conversation in this time. */
const gatherMs = 1000;
/** Until marks that could not be written are tried again. */
const againMs = 10_000;
/** Most users in one statement, and statements at the same time: they share their commits. */
const usersAtOnce = 500;
const statementsAtOnce = 20;
/** Marks that wait while the database is away. */
const mostWaiting = 100_000;

/**
 * When participants last read. Marks come with every message to every socket, so they are gathered in memory and written
 * together; who asks this process meanwhile gets the newer time.
 */
export interface ReadMarks {
  /** These users have now seen what is in the conversation. Costs no query. Returns the time. */
  note(conversationId: string, userIds: Iterable<string>): number;
  /** A time that is not written yet; null when there is none. */
  waiting(conversationId: string, userId: string): number | null;
  /** Writes what has gathered. */
  flush(): Promise<void>;
}

type Marks = Map<string, Map<string, number>>;

export function createReadMarks({ storage, clock, log }: { storage: Storage; clock: Clock; log: Log }): ReadMarks {
  let gathered: Marks = new Map();
  let writing: Marks = new Map();
  let count = 0;
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> = Promise.resolve();

  const set = (marks: Marks, conversationId: string, userId: string, at: number): void => {
    let users = marks.get(conversationId);
    if (!users) marks.set(conversationId, (users = new Map()));
    if (!users.has(userId) && (count += 1) > mostWaiting) {
      count -= 1;
      return;
    }
    users.set(userId, at);
  };
  const write = async (): Promise<void> => {
    [writing, gathered, count] = [gathered, new Map(), 0];
    try {
      const statements = [...writing].flatMap(([conversationId, users]) => statementsOf(conversationId, users));
      for (let first = 0; first < statements.length; first += statementsAtOnce) {
        await Promise.all(statements.slice(first, first + statementsAtOnce).map((statement) => storeMarks(storage, statement)));
      }
    } catch (error) {
      log.warn({ err: error }, 'read marks could not be written; they are tried again');
      for (const [conversationId, users] of writing) {
        for (const [userId, at] of users) if (!gathered.get(conversationId)?.has(userId)) set(gathered, conversationId, userId, at);
      }
      plan(againMs);
    } finally {
      writing = new Map();
    }
  };
  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    flushing = flushing.then(write);
    return flushing;
  };
  const plan = (afterMs = gatherMs): void => {
    timer ??= setTimeout(() => void flush(), afterMs).unref();
  };

  return {
    note(conversationId, userIds) {
      const at = clock.now();
      for (const userId of userIds) set(gathered, conversationId, userId, at);
      plan();
      return at;
    },
    waiting: (conversationId, userId) => gathered.get(conversationId)?.get(userId) ?? writing.get(conversationId)?.get(userId) ?? null,
    flush,
  };
}

/** Users of one conversation who read at the same time. */
interface Statement {
  conversationId: string;
  userIds: string[];
  at: number;
}

/** Those who were told of the same message have the same time. */
function statementsOf(conversationId: string, users: ReadonlyMap<string, number>): Statement[] {
  const times = new Map<number, string[]>();
  for (const [userId, at] of users) {
    const ids = times.get(at);
    if (ids) ids.push(userId);
    else times.set(at, [userId]);
  }
  const statements: Statement[] = [];
  for (const [at, ids] of times) for (let first = 0; first < ids.length; first += usersAtOnce) statements.push({ conversationId, userIds: ids.slice(first, first + usersAtOnce), at });
  return statements;
}

/** A mark never goes back: another instance may have written a later one. */
async function storeMarks(storage: Storage, { conversationId, userIds, at }: Statement): Promise<void> {
  await storage.write<unknown>((queries) => {
    if (userIds.length === 1) return markRead.run(queries, { conversation_id: conversationId, user_id: userIds[0]!, at });
    return queries
      .updateTable('participants')
      .set({ last_read_at: at })
      .where('conversation_id', '=', conversationId)
      .where('user_id', 'in', userIds)
      .where((builder) => builder.or([builder('last_read_at', 'is', null), builder('last_read_at', '<', at)]))
      .execute();
  });
}
