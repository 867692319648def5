import { sql } from 'kysely';
import type { ConversationsTable, MessagesTable, Queries } from '../../../base/storage/index.ts';

/** Bytes of texts that are in memory at once; one longer text is read alone. */
const bytesAtOnce = 262_144;

/** A message that may be a hit, before its text is read. */
export type Candidate = Pick<MessagesTable, 'id' | 'conversation_id' | 'seq' | 'role' | 'created_at'> & { octets: number };

/** A part of a conversation: the messages from `after` (not included) to `to`. */
export interface Slice {
  conversationId: string;
  after: number;
  to: number;
}

export type Listed = Pick<ConversationsTable, 'id' | 'title' | 'last_activity_at' | 'last_seq'>;

/** Some conversations that the user takes part in, by their last activity, behind a place in this order. */
export async function someConversations(
  queries: Queries,
  userId: string,
  { state, conversationId }: { state: 'open' | 'archived'; conversationId?: string },
  behind: Listed | null,
  limit: number,
): Promise<Listed[]> {
  let query = queries
    .selectFrom('participants as own')
    .innerJoin('conversations', 'conversations.id', 'own.conversation_id')
    .select(['conversations.id', 'conversations.title', 'conversations.last_activity_at', 'conversations.last_seq'])
    .where('own.user_id', '=', userId)
    .where('conversations.trashed_at', 'is', null)
    .where('conversations.archived_at', state === 'open' ? 'is' : 'is not', null);
  if (conversationId !== undefined) query = query.where('conversations.id', '=', conversationId);
  if (behind) {
    query = query.where((where) =>
      where.or([
        where('conversations.last_activity_at', '<', behind.last_activity_at),
        where.and([where('conversations.last_activity_at', '=', behind.last_activity_at), where('conversations.id', '<', behind.id)]),
      ]),
    );
  }
  return query.orderBy('conversations.last_activity_at', 'desc').orderBy('conversations.id', 'desc').limit(limit).execute();
}

/** The messages of these parts, without their texts. */
export async function candidatesOf(queries: Queries, slices: readonly Slice[]): Promise<Candidate[]> {
  return queries
    .selectFrom('messages')
    .select(['id', 'conversation_id', 'seq', 'role', 'created_at', sql<number>`octet_length(content)`.as('octets')])
    .where((where) => where.or(slices.map(({ conversationId, after, to }) => where.and([where('conversation_id', '=', conversationId), where('seq', '>', after), where('seq', '<=', to)]))))
    .execute();
}

/** The texts of these messages, a few at a time. Between them others have their turn. */
export async function* textsOf(queries: Queries, candidates: readonly Candidate[], signal: AbortSignal): AsyncGenerator<{ candidate: Candidate; content: string }> {
  for (let first = 0; first < candidates.length;) {
    let end = first;
    for (let bytes = 0; end < candidates.length && (end === first || bytes + candidates[end]!.octets <= bytesAtOnce); end += 1) bytes += candidates[end]!.octets;
    const some = new Map(candidates.slice(first, end).map((candidate) => [candidate.id, candidate]));
    const rows = await queries.selectFrom('messages').select(['id', 'content']).where('id', 'in', [...some.keys()]).execute();
    for (const row of rows) yield { candidate: some.get(row.id)!, content: row.content };
    first = end;
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
  }
}

/** The last message of a conversation that is not newer than `time`: its `seq`, 0 when all are. Times grow with `seq`. */
export async function lastAt(queries: Queries, conversationId: string, lastSeq: number, time: number): Promise<number> {
  let [below, above] = [0, lastSeq + 1];
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    const row = await queries.selectFrom('messages').select(['seq', 'created_at']).where('conversation_id', '=', conversationId).where('seq', '<=', middle).orderBy('seq', 'desc').limit(1).executeTakeFirst();
    if (!row || row.created_at <= time) below = middle;
    else above = row.seq;
  }
  return below;
}
