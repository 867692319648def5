import { sql } from 'kysely';
import type { Storage } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import { listed } from '../organising/organising.ts';
import type { ConversationParts } from '../parts.ts';
import { usualProfile } from '../profiles/profiles.ts';
import type { Conversations } from '../contract.ts';
import type { ChatStatistics, ListFilter } from '../types.ts';
import { activity } from './activity.ts';
import { whole } from './whole.ts';

/** Milliseconds since its last message for which a conversation counts as active. */
const activeMs = 30 * 60_000;

/** What lists and statistics say of conversations. */
export function createOverview({ storage }: ConversationParts): Pick<Conversations, 'count' | 'wholeMessages' | 'statistics' | 'activity'> {
  return {
    count: (viewer, filter) => count(storage, viewer, filter),
    wholeMessages: (viewer, ids) => wholeMessages(storage, viewer, ids),
    statistics: (viewer) => statistics(storage, viewer),
    activity: (...given) => activity(storage, ...given),
  };
}

async function count({ read }: Storage, viewer: Viewer, filter: ListFilter = {}): Promise<number> {
  const row = await listed(read, viewer.userId, filter).clearSelect().select((select) => select.fn.countAll<number | string>().as('count')).executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Of conversations in which the viewer takes part; others count nothing. */
async function wholeMessages({ read }: Storage, viewer: Viewer, ids: readonly string[]): Promise<Map<string, number>> {
  if (ids.length === 0) return new Map();
  const { rows } = await sql<{ id: string; count: number | string }>`
    with recursive path(id, parent_id) as (
      select head.id, head.parent_id from conversations join messages head on head.id = conversations.head_id
      join participants on participants.conversation_id = conversations.id and participants.user_id = ${viewer.userId}
      where conversations.id in (${sql.join(ids)})
      union all
      select parent.id, parent.parent_id from path join messages parent on parent.id = path.parent_id
    )
    select messages.conversation_id as id, count(*) as count from path join messages on messages.id = path.id where ${whole} group by messages.conversation_id`.execute(read);
  return new Map(rows.map((row) => [row.id, Number(row.count)]));
}

async function statistics(storage: Storage, viewer: Viewer): Promise<ChatStatistics> {
  const { read } = storage;
  const since = (await storage.now()) - activeMs;
  const open = sql`conversations.owner_id = ${viewer.userId} and conversations.archived_at is null and conversations.trashed_at is null`;
  const profiles = await sql<{ profile: string | null; conversations: number | string; active: number | string }>`
    select profile, count(*) as conversations, sum(case when head_id is not null and last_activity_at > ${since} then 1 else 0 end) as active
    from conversations where ${open} group by profile`.execute(read);
  // Without branches all messages stand on the path, and none of them has to be looked for.
  const linear = await sql<{ count: number | string }>`
    select count(*) as count from conversations join messages head on head.id = conversations.head_id and head.depth = conversations.last_seq
    join messages on messages.conversation_id = conversations.id where ${open} and ${whole}`.execute(read);
  const branched = await sql<{ count: number | string }>`
    with recursive path(id, parent_id) as (
      select head.id, head.parent_id from conversations join messages head on head.id = conversations.head_id and head.depth <> conversations.last_seq where ${open}
      union all
      select parent.id, parent.parent_id from path join messages parent on parent.id = path.parent_id
    )
    select count(*) as count from path join messages on messages.id = path.id where ${whole}`.execute(read);
  const answers = await sql<{ average: number | string | null }>`
    select avg(messages.duration_ms) as average from conversations join messages on messages.conversation_id = conversations.id
    where ${open} and messages.role = 'assistant' and messages.status = 'DELIVERED'`.execute(read);
  const kept = await sql<{ count: number | string }>`
    select count(*) as count from conversations join messages on messages.conversation_id = conversations.id where conversations.owner_id = ${viewer.userId}`.execute(read);
  const byProfile: Record<string, number> = {};
  for (const row of profiles.rows) byProfile[row.profile ?? usualProfile] = (byProfile[row.profile ?? usualProfile] ?? 0) + Number(row.conversations);
  const average = answers.rows[0]?.average ?? null;
  return {
    conversations: profiles.rows.reduce((sum, row) => sum + Number(row.conversations), 0),
    messages: Number(linear.rows[0]!.count) + Number(branched.rows[0]!.count),
    active: profiles.rows.reduce((sum, row) => sum + Number(row.active), 0),
    byProfile,
    averageDurationMs: average === null ? null : Number(average),
    keptRows: Number(kept.rows[0]!.count),
  };
}
