import { isoTime } from '../../base/clock.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Message } from '../../core/conversations/index.ts';
import { goneController, viewerFrom, whileValid, type CredentialWatch, type DialectParts, type DialectScope } from '../shared/index.ts';
import { ask, conversationOf, newConversation } from './asking.ts';
import { secondsSince, wholeReply } from './replies.ts';
import {
  cancelAnswer, cancelRequest, clearAnswer, historyAnswer, historyQuery, idempotencyHeader, selectAnswer, selectRequest, sendAnswer, sendRequest, sessionsAnswer, sessionsQuery,
} from './schemas.ts';

/** The chat over plain HTTP: send and wait, read, begin anew. */
export function registerChat(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  const { clock, conversations } = parts;
  scope.post(
    '/api/chat/send',
    {
      schema: {
        summary: 'Sends a message and answers with the whole reply',
        description: 'When the client goes away the reply is made all the same, and stands in the history.',
        headers: idempotencyHeader,
        body: sendRequest,
        response: { 200: sendAnswer },
      },
    },
    async (request, reply) => {
      const began = clock.monotonic();
      const viewer = viewerFrom(request);
      const { message, context, save_to_memory: saveToMemory, session_id: sessionId } = request.body;
      const gone = goneController(reply);
      return whileValid(credentials, viewer, () => gone.abort(), async () => {
        const answer = await ask(parts, viewer, { message, context, saveToMemory, sessionId, idempotencyKey: request.headers['idempotency-key'] });
        const response = await wholeReply(parts, viewer, answer.id, gone.signal);
        return { response, emotion: null, processing_time: secondsSince(parts, began), memories_used: 0, session_id: answer.conversationId };
      });
    },
  );
  scope.get(
    '/api/chat/history',
    { schema: { summary: 'The newest messages of the current conversation, oldest first', querystring: historyQuery, response: { 200: historyAnswer } } },
    async (request) => {
      const viewer = viewerFrom(request);
      const conversation = await conversationOf(parts, viewer, request.query.session_id);
      const [messages, figures] = await Promise.all([
        conversations.messages(viewer, conversation.id, { limit: request.query.limit, offset: 0 }),
        conversations.replyFigures(viewer, conversation.id),
      ]);
      return {
        conversation_id: conversation.number,
        session_id: conversation.id,
        user_id: viewer.username,
        stats: { message_count: conversation.messageCount, avg_processing_time: figures.averageDurationMs === null ? null : Math.round(figures.averageDurationMs) / 1000 },
        messages: messages.map(messageShape),
      };
    },
  );
  scope.delete(
    '/api/chat/clear',
    { schema: { summary: 'Begins a new conversation; the one before is kept', response: { 200: clearAnswer } } },
    async (request) => {
      const { id } = await conversations.beginCurrent(viewerFrom(request), newConversation);
      return { message: 'Conversation cleared', new_session_id: id };
    },
  );
  registerSessions(scope, parts);
}

/** What the document lacks: the user's other conversations, and stopping an answer. */
function registerSessions(scope: DialectScope, parts: DialectParts): void {
  const { conversations } = parts;
  scope.get(
    '/api/chat/sessions',
    { schema: { summary: "Addition: the user's conversations, newest activity first", querystring: sessionsQuery, response: { 200: sessionsAnswer } } },
    async (request) => {
      const viewer = viewerFrom(request);
      const current = await conversations.current(viewer, newConversation);
      const list = await conversations.list(viewer, { limit: request.query.limit, offset: 0 });
      return {
        sessions: list.map((conversation) => ({
          session_id: conversation.id,
          conversation_id: conversation.number,
          title: conversation.title,
          message_count: conversation.messageCount,
          last_activity: isoTime(conversation.lastActivityAt),
          current: conversation.id === current.id,
        })),
      };
    },
  );
  scope.post(
    '/api/chat/select',
    { schema: { summary: 'Addition: makes a conversation the current one', body: selectRequest, response: { 200: selectAnswer } } },
    async (request) => {
      const { id } = await conversations.selectCurrent(viewerFrom(request), request.body.session_id);
      return { message: 'Conversation selected', session_id: id };
    },
  );
  scope.post(
    '/api/chat/cancel',
    { schema: { summary: 'Addition: stops a reply that is waiting or being made', body: cancelRequest, response: { 200: cancelAnswer } } },
    async (request) => {
      const viewer = viewerFrom(request);
      const { status } = await cancelNumbered(parts, viewer, request.body);
      return { message: status === 'CANCELLED' ? 'Reply cancelled' : 'Reply had ended', status };
    },
  );
}

/** Stops the reply with this number; one that has ended stays as it is. */
export async function cancelNumbered(parts: DialectParts, viewer: Viewer, named: { message_id: number; session_id?: string | null | undefined }): Promise<Message> {
  const { id } = await conversationOf(parts, viewer, named.session_id);
  const message = await parts.conversations.messageNumbered(viewer, id, named.message_id);
  return parts.conversations.cancel(viewer, message.id);
}

function messageShape(message: Message) {
  return { id: message.seq, role: message.role, content: message.content, emotion: null, timestamp: isoTime(message.createdAt) };
}
