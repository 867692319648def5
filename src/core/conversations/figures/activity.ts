import { sql, type RawBuilder } from 'kysely';
import { ParleyError } from '../../../base/errors.ts';
import type { Storage } from '../../../base/storage/index.ts';
import { mayAdminister, type Viewer } from '../../accounts/index.ts';
import type { ConversationActivity } from '../types.ts';
import { isChatProfile, usualProfile } from '../profiles/profiles.ts';
import { whole } from './whole.ts';

/** Answers count from when they were whole, as histories show them. */
const saidAt: RawBuilder<number> = sql`case when messages.role = 'assistant' then coalesce(messages.ended_at, messages.created_at) else messages.created_at end`;

/** See `Conversations.activity`. */
export async function activity({ read, engine }: Pick<Storage, 'read' | 'engine'>, viewer: Viewer, since: number, whose: 'own' | 'all' = 'own'): Promise<ConversationActivity> {
  if (whose === 'all' && !mayAdminister(viewer)) throw new ParleyError('forbidden', { message: 'Only an administrator may see what everybody does.' });
  // Nothing was said in a conversation behind its last activity, and none was begun behind it.
  const touched = sql`conversations.last_activity_at > ${since}${whose === 'all' ? sql`` : sql` and conversations.owner_id = ${viewer.userId}`}`;
  const said = sql`messages.conversation_id = conversations.id and ${whole} and ${saidAt} > ${since}`;
  const active = sql`${touched} and exists (select 1 from messages where ${said})`;
  const profile = engine === 'postgres' ? sql`messages.metadata::json ->> 'profile'` : sql`json_extract(messages.metadata, '$.profile')`;

  const counts = await sql<{ started: Count; active: Count }>`
    select sum(case when conversations.created_at > ${since} then 1 else 0 end) as started,
      sum(case when exists (select 1 from messages where ${said}) then 1 else 0 end) as active
    from conversations where ${touched}`.execute(read);
  const messages = await sql<{ count: Count }>`select count(*) as count from conversations join messages on ${said} where ${touched}`.execute(read);
  // Without branches all messages stand on the path, and none of them has to be looked for.
  const linear = await sql<{ count: Count }>`
    select count(*) as count from conversations join messages head on head.id = conversations.head_id and head.depth = conversations.last_seq
    join messages on messages.conversation_id = conversations.id where ${active} and ${whole}`.execute(read);
  const branched = await sql<{ count: Count }>`
    with recursive path(id, parent_id) as (
      select head.id, head.parent_id from conversations join messages head on head.id = conversations.head_id and head.depth <> conversations.last_seq where ${active}
      union all
      select parent.id, parent.parent_id from path join messages parent on parent.id = path.parent_id
    )
    select count(*) as count from path join messages on messages.id = path.id where ${whole}`.execute(read);
  const answers = await sql<{ profile: string | null; count: Count }>`
    select ${profile} as profile, count(*) as count from conversations join messages on ${said}
    where ${touched} and messages.role = 'assistant' and messages.status = 'DELIVERED' group by 1`.execute(read);

  const byProfile: Record<string, number> = {};
  for (const row of answers.rows) {
    const name = isChatProfile(row.profile) ? row.profile : usualProfile;
    byProfile[name] = (byProfile[name] ?? 0) + Number(row.count);
  }
  const conversations = Number(counts.rows[0]?.active ?? 0);
  return {
    messages: Number(messages.rows[0]!.count),
    started: Number(counts.rows[0]?.started ?? 0),
    conversations,
    averageLength: conversations === 0 ? null : (Number(linear.rows[0]!.count) + Number(branched.rows[0]!.count)) / conversations,
    answersByProfile: byProfile,
  };
}

/** As the engines give sums and counts: null over no rows. */
type Count = number | string | null;
