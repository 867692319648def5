import { isoTime } from '../../base/clock.ts';
import type { PublicConversation } from '../../core/conversations/index.ts';
import { viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { changeParticipantBody, inviteBody, namedParticipant, participantPath, publicChats, readAnswer } from './member-schemas.ts';
import { chatPath, chatsPage } from './schemas.ts';
import { namedParticipantShape } from './shapes.ts';

const chatUrl = '/api/v1/chat/chats/:chat_id';
const participantUrl = `${chatUrl}/participants/:user_id`;

/** Who takes part in chats of several people: joining, leaving, inviting, roles and permissions, and what was read. All of it is an addition. */
export function registerMembers(scope: DialectScope, parts: DialectParts): void {
  const { conversations } = parts;
  scope.get(
    '/api/v1/chat/public',
    { schema: { summary: 'Addition: groups and channels that everybody may join, the most recently active first', querystring: chatsPage, response: { 200: publicChats } } },
    async (request) => (await conversations.listPublic(viewerFrom(request), request.query)).map(publicShape),
  );
  scope.post(
    `${chatUrl}/join`,
    { schema: { summary: 'Addition: takes part in a group or channel that is not private', params: chatPath, response: { 200: namedParticipant } } },
    async (request) => namedParticipantShape(await conversations.join(viewerFrom(request), request.params.chat_id)),
  );
  scope.post(
    `${chatUrl}/leave`,
    { schema: { summary: 'Addition: ends the own part in a chat; its owner hands it over first', params: chatPath } },
    async (request, reply) => {
      await conversations.leave(viewerFrom(request), request.params.chat_id);
      return reply.code(204).send();
    },
  );
  scope.post(
    `${chatUrl}/read`,
    { schema: { summary: 'Addition: says that everything in the chat has been read', params: chatPath, response: { 200: readAnswer } } },
    async (request) => {
      const at = await conversations.markRead(viewerFrom(request), request.params.chat_id);
      return { chat_id: request.params.chat_id, last_read_at: isoTime(at) };
    },
  );
  registerOthers(scope, parts);
}

/** What the owner and admins do about others. */
function registerOthers(scope: DialectScope, { conversations }: DialectParts): void {
  scope.post(
    `${chatUrl}/participants`,
    { schema: { summary: 'Addition: brings somebody in by name, also into a private chat', params: chatPath, body: inviteBody, response: { 200: namedParticipant } } },
    async (request) => namedParticipantShape(await conversations.invite(viewerFrom(request), request.params.chat_id, request.body.username)),
  );
  scope.patch(
    participantUrl,
    { schema: { summary: 'Addition: gives somebody another role or other permissions', params: participantPath, body: changeParticipantBody, response: { 200: namedParticipant } } },
    async (request) => {
      const { role, can_send_messages: canSendMessages, can_upload_files: canUploadFiles } = request.body;
      const { chat_id: chatId, user_id: userId } = request.params;
      return namedParticipantShape(await conversations.changeParticipant(viewerFrom(request), chatId, userId, { role, canSendMessages, canUploadFiles }));
    },
  );
  scope.delete(participantUrl, { schema: { summary: 'Addition: takes somebody out of a chat', params: participantPath } }, async (request, reply) => {
    await conversations.removeParticipant(viewerFrom(request), request.params.chat_id, request.params.user_id);
    return reply.code(204).send();
  });
}

function publicShape(chat: PublicConversation) {
  return {
    id: chat.id,
    title: chat.title,
    description: chat.description,
    chat_type: chat.type,
    tags: chat.tags,
    message_count: chat.messageCount,
    participant_count: chat.participantCount,
    last_activity_at: isoTime(chat.lastActivityAt),
    created_at: isoTime(chat.createdAt),
    is_participant: chat.takesPart,
  };
}
