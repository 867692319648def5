import type { Viewer } from '../../accounts/index.ts';
import { conversationRows } from '../access.ts';
import type { ConversationParts } from '../parts.ts';
import { toConversation } from '../rows.ts';
import type { Page, PublicConversation } from '../types.ts';

/** Groups and channels that are not private, the most recently active first: what anybody with an account may join. */
export async function listPublic({ storage }: Pick<ConversationParts, 'storage'>, viewer: Viewer, page: Page): Promise<PublicConversation[]> {
  const rows = await conversationRows(storage.read, viewer.userId)
    .where('conversations.type', '<>', 'DIRECT')
    .where('conversations.is_private', '=', 0)
    .where('conversations.archived_at', 'is', null)
    .where('conversations.trashed_at', 'is', null)
    .orderBy('conversations.last_activity_at', 'desc')
    .orderBy('conversations.id', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  return rows.map((row) => {
    const { id, title, description, type, tags, messageCount, participantCount, createdAt, lastActivityAt } = toConversation(row);
    return { id, title, description, type, tags, messageCount, participantCount, createdAt, lastActivityAt, takesPart: row.viewer_role !== null };
  });
}
