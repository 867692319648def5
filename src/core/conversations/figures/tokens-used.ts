import type { Viewer } from '../../accounts/index.ts';
import { openConversation } from '../access.ts';
import type { ConversationParts } from '../parts.ts';

/** Tokens of all answers of a conversation, prompt and text: of those whose figures are both known, on whatever branch. */
export async function tokensUsed({ storage }: ConversationParts, viewer: Viewer, conversationId: string): Promise<number> {
  await openConversation(storage.read, viewer, conversationId, 'read');
  const row = await storage.read
    .selectFrom('messages')
    .select((builder) => builder.fn.sum<number | string | null>(builder('tokens_in', '+', builder.ref('tokens_out'))).as('tokens'))
    .where('conversation_id', '=', conversationId)
    .where('role', '=', 'assistant')
    .executeTakeFirst();
  return Number(row?.tokens ?? 0);
}
