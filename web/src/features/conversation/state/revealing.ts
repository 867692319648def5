import type { Message } from '../../../shared/api/index.ts';
import type { Conversation } from './conversation.ts';

/** Messages fetched at once on the way back to one that is looked for. */
const pageSize = 200;

export interface RevealParts {
  fetchMessage(chatId: string, messageId: string): Promise<Message>;
  selectBranch(chatId: string, messageId: string): Promise<unknown>;
}

/**
 * Loads the branch as far back as a message, whose branch is shown instead when it stands on another one.
 * @returns false when it could not be reached
 * @throws {ApiError} `fetchMessage` and `selectBranch` of it
 */
export async function reveal(conversation: Conversation, messageId: string, parts: RevealParts): Promise<boolean> {
  if (conversation.view.path.includes(messageId)) return true;
  const message = await parts.fetchMessage(conversation.chatId, messageId);
  if (await loadBackTo(conversation, message)) return true;
  // Everything as old as it is loaded, and it is not there.
  await parts.selectBranch(conversation.chatId, messageId);
  await conversation.refresh();
  return loadBackTo(conversation, message);
}

/** What stands behind another message on a branch was made after it, so that `seq` says when to stop. */
async function loadBackTo(conversation: Conversation, { id, seq }: Message): Promise<boolean> {
  for (;;) {
    const { path, hasOlder } = conversation.view;
    if (path.includes(id)) return true;
    const first = path[0] === undefined ? undefined : conversation.message(path[0]);
    if (!first || first.seq <= seq || !hasOlder) return false;
    await conversation.loadOlder(pageSize);
    if (conversation.view.path[0] === first.id) return false;
  }
}
