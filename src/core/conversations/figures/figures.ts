import { sql } from 'kysely';
import { ParleyError } from '../../../base/errors.ts';
import { mayAdminister, type Viewer } from '../../accounts/index.ts';
import { openConversation } from '../access.ts';
import type { ConversationParts } from '../parts.ts';
import type { Conversations } from '../contract.ts';
import type { ReplyFigures, Totals } from '../types.ts';

export function createFigures(parts: Pick<ConversationParts, 'storage'>): Pick<Conversations, 'replyFigures' | 'totals'> {
  return {
    replyFigures: (...given) => replyFigures(parts, ...given),
    totals: (...given) => totals(parts, ...given),
  };
}

/** Figures over the whole answers of the shown path. */
async function replyFigures({ storage }: Pick<ConversationParts, 'storage'>, viewer: Viewer, conversationId: string): Promise<ReplyFigures> {
  const conversation = await openConversation(storage.read, viewer, conversationId, 'read');
  const { head_id: head, head_depth: depth, last_seq: last } = conversation;
  if (head === null) return { replies: 0, averageDurationMs: null };
  const whole = sql`messages.role = 'assistant' and messages.status = 'DELIVERED' and messages.duration_ms is not null`;
  // Without branches all messages stand on the path, and none of them has to be looked for.
  const query = depth === last
    ? sql<FigureRow>`select count(*) as replies, avg(messages.duration_ms) as average from messages where messages.conversation_id = ${conversation.id} and ${whole}`
    : sql<FigureRow>`
      with recursive path(id, parent_id) as (
        select id, parent_id from messages where id = ${head}
        union all
        select parent.id, parent.parent_id from path join messages parent on parent.id = path.parent_id
      )
      select count(*) as replies, avg(messages.duration_ms) as average from path join messages on messages.id = path.id where ${whole}`;
  const row = (await query.execute(storage.read)).rows[0]!;
  return { replies: Number(row.replies), averageDurationMs: row.average === null ? null : Number(row.average) };
}

/** PostgreSQL gives counts and averages as texts. */
interface FigureRow {
  replies: number | string;
  average: number | string | null;
}

/** How many rows of each kind the database holds. @throws {ParleyError} `forbidden` for anyone but administrators */
async function totals({ storage }: Pick<ConversationParts, 'storage'>, viewer: Viewer): Promise<Totals> {
  if (!mayAdminister(viewer)) throw new ParleyError('forbidden', { message: 'Only an administrator may do this.' });
  const [users, conversations, messages] = await Promise.all(
    (['users', 'conversations', 'messages'] as const).map((table) =>
      storage.read.selectFrom(table).select((select) => select.fn.countAll<number | string>().as('count')).executeTakeFirstOrThrow(),
    ),
  );
  return { users: Number(users!.count), conversations: Number(conversations!.count), messages: Number(messages!.count) };
}
