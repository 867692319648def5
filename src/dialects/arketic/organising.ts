import type { Viewer } from '../../core/accounts/index.ts';
import type { Conversation } from '../../core/conversations/index.ts';
import { viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { chatPath, wholeChatAnswer } from './schemas.ts';
import { wholeChatShape } from './shapes.ts';

/** Putting chats away and taking them out again, and pins. All of it is added to the document. */
export function registerOrganising(scope: DialectScope, { conversations }: DialectParts): void {
  const acts: readonly [name: string, summary: string, act: (viewer: Viewer, chatId: string) => Promise<Conversation>][] = [
    ['archive', 'Addition: archives a chat for everybody in it; answers under way are cancelled', conversations.archive],
    ['trash', 'Addition: puts a chat into the trash, from where it is deleted after TRASH_DAYS; answers under way are cancelled', conversations.trash],
    ['restore', 'Addition: opens a chat again that was archived or in the trash', conversations.restore],
    ['pin', 'Addition: pins a chat, for oneself alone', (viewer, chatId) => conversations.pin(viewer, chatId, true)],
    ['unpin', "Addition: takes one's pin off a chat", (viewer, chatId) => conversations.pin(viewer, chatId, false)],
  ];
  for (const [name, summary, act] of acts) {
    scope.post(`/api/v1/chat/chats/:chat_id/${name}`, { schema: { summary, params: chatPath, response: { 200: wholeChatAnswer } } }, async (request) =>
      wholeChatShape(await act(viewerFrom(request), request.params.chat_id)),
    );
  }
}
