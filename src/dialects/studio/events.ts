import { createRooms, failureOf, socketEvent, type App, type DialectParts } from '../shared/index.ts';
import { ownAnswer, ownConversation } from './access.ts';
import { ask } from './asking.ts';
import { studioFrames } from './room-frames.ts';
import { studioDialect } from './errors.ts';
import { eventSchemas } from './schemas.ts';
import { Seats } from './seats.ts';

/** The chat events of Socket.IO's main namespace. */
export function registerEvents(app: App, parts: DialectParts): void {
  const namespace = app.socketIo.namespace({ name: '/', policy: { localTrust: true, cookie: true }, scope: null });
  const seats = new Seats(createRooms(parts, studioFrames(parts.models, namespace)));
  const { conversations } = parts;
  namespace.onGone((connection) => seats.leaveAll(connection));
  namespace.on({
    join_conversation: socketEvent(eventSchemas.join_conversation, 'read', async (connection, { conversation_id: id, stream }) => {
      await ownConversation(parts, connection.viewer, id);
      await seats.join(connection, id, stream);
      return { ok: true };
    }),
    leave_conversation: socketEvent(eventSchemas.leave_conversation, null, (connection, { conversation_id: id }) => {
      seats.leave(connection, id);
      return { ok: true };
    }),
    send_message: socketEvent(eventSchemas.send_message, 'write', async (connection, { conversation_id: conversationId, ...question }) => {
      const { userMessage, answer } = await ask(parts, connection.viewer, { conversationId, ...question });
      // What cannot be asked at all has failed at once.
      const failure = failureOf(answer);
      const ids = { message_id: userMessage.id, answer_id: answer.id };
      return failure ? { error: failure.message, code: failure.code, ...ids } : { ok: true, ...ids };
    }),
    typing_indicator: socketEvent(eventSchemas.typing_indicator, 'write', async (connection, { conversation_id: id, is_typing: isTyping }) => {
      await ownConversation(parts, connection.viewer, id);
      await conversations.typing(connection.viewer, id, { isTyping, source: connection.id });
      return { ok: true };
    }),
    attach_answer: socketEvent(eventSchemas.attach_answer, 'read', async (connection, { message_id: id, after }) => {
      const answer = await ownAnswer(parts, connection.viewer, id);
      await seats.attach(connection, answer.conversationId, answer.id, after);
      return { ok: true };
    }),
    cancel_answer: socketEvent(eventSchemas.cancel_answer, 'write', async (connection, { message_id: id }) => {
      const answer = await ownAnswer(parts, connection.viewer, id);
      const { status } = await conversations.cancel(connection.viewer, answer.id);
      return { ok: true, status: status.toLowerCase() };
    }),
  }, studioDialect.name);
}
