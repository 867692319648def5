import { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import { viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import {
  changeChat, chatAnswer, chatPath, chatsQuery, createChat, historyAnswer, historyPage, participantsAnswer, participantsQuery, typingAnswer, wholeChatAnswer,
} from './schemas.ts';
import { changesFrom, chatShape, messageShape, namedParticipantShape, participantShape, wholeChatShape, wholeMessageShape } from './shapes.ts';

/** Chats: make, list, show, change, delete, and who takes part. */
export function registerChats(scope: DialectScope, parts: DialectParts): void {
  const { conversations } = parts;
  scope.post('/api/v1/chat/chats', { schema: { summary: 'Makes a chat', body: createChat, response: { 200: chatAnswer } } }, async (request) => {
    const body = request.body;
    const made = await conversations.create(viewerFrom(request), {
      ...changesFrom(body),
      title: body.auto_title ? undefined : body.title,
      type: body.chat_type,
      origin: 'arketic',
    });
    return chatShape(made);
  });
  scope.get(
    '/api/v1/chat/chats',
    { schema: { summary: 'Own chats, the most recently active first', querystring: chatsQuery, response: { 200: z.array(z.union([wholeChatAnswer, chatAnswer])) } } },
    async (request) => {
      const { state, pinned, include, ...page } = request.query;
      const chats = await conversations.list(viewerFrom(request), page, { state, ...(pinned === undefined ? {} : { pinned: pinned === 'true' }) });
      return chats.map(include ? wholeChatShape : chatShape);
    },
  );
  scope.get(
    '/api/v1/chat/chats/:chat_id',
    {
      schema: {
        summary: 'A chat with one page of its messages',
        description: 'The newest page first (offset counts from the newest message), in the order of writing inside the page.',
        params: chatPath,
        querystring: historyPage,
        response: { 200: historyAnswer },
      },
    },
    async (request) => {
      const viewer = viewerFrom(request);
      const { include, ...page } = request.query;
      const chat = await conversations.get(viewer, request.params.chat_id);
      const messages = await conversations.messages(viewer, chat.id, page);
      return {
        chat: include ? wholeChatShape(chat) : chatShape(chat),
        messages: messages.map(include ? wholeMessageShape : messageShape),
        participant_count: chat.participantCount,
      };
    },
  );
  scope.patch(
    '/api/v1/chat/chats/:chat_id',
    { schema: { summary: 'Changes a chat', params: chatPath, body: changeChat, response: { 200: wholeChatAnswer } } },
    async (request) => wholeChatShape(await conversations.change(viewerFrom(request), request.params.chat_id, changesFrom(request.body))),
  );
  scope.delete('/api/v1/chat/chats/:chat_id', { schema: { summary: 'Deletes a chat with its messages', params: chatPath } }, async (request, reply) => {
    await conversations.delete(viewerFrom(request), request.params.chat_id);
    return reply.code(204).send();
  });
  registerPresence(scope, parts);
}

/** Who takes part, and who is typing. */
function registerPresence(scope: DialectScope, { conversations }: DialectParts): void {
  scope.get(
    '/api/v1/chat/chats/:chat_id/participants',
    { schema: { summary: 'Who takes part', params: chatPath, querystring: participantsQuery, response: { 200: participantsAnswer } } },
    async (request) => {
      const shape = request.query.include ? namedParticipantShape : participantShape;
      const participants = (await conversations.participants(viewerFrom(request), request.params.chat_id)).map(shape);
      return { chat_id: request.params.chat_id, participants, total_participants: participants.length };
    },
  );
  scope.post(
    '/api/v1/chat/chats/:chat_id/typing',
    { schema: { summary: 'Tells the open sockets of the chat that the sender is typing', params: chatPath, response: { 200: typingAnswer } } },
    async (request) => {
      const at = await conversations.typing(viewerFrom(request), request.params.chat_id);
      return { status: 'sent' as const, timestamp: isoTime(at) };
    },
  );
}
