import type { AgentClient } from '../../features/agents/index.ts';
import { socketEvent, takeFrom, type App, type SocketConnection } from '../shared/index.ts';
import { errorPayload } from './errors.ts';
import type { AgentChatParts } from './parts.ts';
import { eventSchemas } from './schemas.ts';
import { eventShape } from './shapes.ts';

/** The namespace of the document. */
const name = '/agent-chat';

/** The eight events of clients. */
export function registerEvents(app: App, parts: AgentChatParts): void {
  const { agents, settings } = parts;
  const namespace = app.socketIo.namespace({
    name, policy: { localTrust: true, cookie: true }, scope: 'read',
    errorEvent: (error, event) => ({ event: 'error', payload: errorPayload(error, event) }),
  });
  const clients = new Map<SocketConnection, AgentClient>();
  const clientOf = (connection: SocketConnection): AgentClient => {
    const known = clients.get(connection);
    if (known) return known;
    const client = agents.connect(connection.viewer, (told) => {
      const { event, payload } = eventShape(told);
      // Batches go no faster than the client reads them.
      if (told.kind === 'streamed' && connection.isSlow) return connection.emitAndWait(event, payload);
      connection.emit(event, payload);
    });
    // What was sent by a connection that is gone is still handled: nothing is kept for it.
    if (connection.isOpen) clients.set(connection, client);
    return client;
  };
  namespace.onGone((connection) => {
    clients.get(connection)?.close();
    clients.delete(connection);
  });
  const message = (connection: SocketConnection): Promise<void> => takeFrom(parts, { name: 'messages', count: settings.limits.messagesPerHour, windowMs: 3_600_000 }, connection.viewer.userId);
  const done = { ok: true };
  namespace.on({
    'agent-join-session': socketEvent(eventSchemas['agent-join-session'], 'read', async (connection, { sessionId, agentAccountId }) => {
      await clientOf(connection).join(sessionId, agentAccountId);
      return done;
    }),
    'user-send-message-on-behalf': socketEvent(eventSchemas['user-send-message-on-behalf'], 'write', async (connection, { sessionId, agentId, message: text, triggerAI }) => {
      await message(connection);
      await clientOf(connection).sayOnBehalf(sessionId, agentId, text, triggerAI);
      return done;
    }),
    'agent-send-message': socketEvent(eventSchemas['agent-send-message'], 'write', async (connection, { sessionId, fromAgentId, message: text }) => {
      await message(connection);
      await clientOf(connection).sayAsAgent(sessionId, fromAgentId, text);
      return done;
    }),
    'trigger-ai-response': socketEvent(eventSchemas['trigger-ai-response'], 'write', async (connection, { sessionId, agentAccountId }) => {
      await message(connection);
      await clientOf(connection).trigger(sessionId, agentAccountId);
      return done;
    }),
    'get-conversation-history': socketEvent(eventSchemas['get-conversation-history'], 'read', async (connection, { sessionId, force }) => {
      await clientOf(connection).sendHistory(sessionId, force);
      return done;
    }),
    'stream-conversation-messages': socketEvent(eventSchemas['stream-conversation-messages'], 'read', async (connection, { sessionId, startIndex, batchSize }) => {
      await clientOf(connection).stream(sessionId, startIndex, batchSize);
      return done;
    }),
    'get-session-status': socketEvent(eventSchemas['get-session-status'], 'read', async (connection, { sessionId }) => {
      await clientOf(connection).sendStatus(sessionId);
      return done;
    }),
    'end-session': socketEvent(eventSchemas['end-session'], 'write', async (connection, { sessionId }) => {
      await clientOf(connection).end(sessionId);
      return done;
    }),
  }, 'agent-chat');
}
