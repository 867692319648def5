import type { z } from 'zod';
import { asParleyError, type ParleyError } from '../../base/errors.ts';
import type { Scope } from '../../core/accounts/index.ts';
import type { Message } from '../../core/conversations/index.ts';
import { createRooms, Later, socketEvent, type Acknowledgement, type App, type SocketEvent } from '../shared/index.ts';
import { Audience } from './audience.ts';
import { answered, ask, beginConversation, chatAnswerOf, historyOf, isOwn } from './chat.ts';
import { agentVersion } from './errors.ts';
import { alertOf, subscribe, subscribeMetrics } from './monitoring.ts';
import { anyPayload, eventsNotBuilt, notBuilt } from './not-built.ts';
import type { UltimateParts } from './parts.ts';
import { agentFrames } from './room-frames.ts';
import { eventSchemas } from './schemas.ts';
import { Seats, type AgentEvent, type AgentFrame, type AgentSocket } from './seats.ts';
import { enhancedFeaturesOf, healthShape } from './status.ts';

/** One event that clients may send, over whichever framing. */
export interface AgentClientEvent {
  schema: z.ZodType;
  scope: Scope;
  handle(socket: AgentSocket, payload: unknown): Promise<Acknowledgement | Later>;
}

/** The events of the document, for every socket alike. */
export interface AgentEvents {
  readonly table: Readonly<Record<string, AgentClientEvent>>;
  /** Greets a socket that has just been let in. */
  greet(socket: AgentSocket): void;
  leave(socket: AgentSocket): void;
  /** All sockets, for what concerns the server and no conversation. */
  readonly audience: Audience;
  /** Sockets that are remembered; none when all have gone. */
  remembered(): number;
}

function clientEvent<Schema extends z.ZodType>(schema: Schema, scope: Scope, handle: (socket: AgentSocket, payload: z.output<Schema>) => Promise<Acknowledgement | Later>): AgentClientEvent {
  return { schema, scope, handle: (socket, payload) => handle(socket, payload as z.output<Schema>) };
}

export function createEvents(parts: UltimateParts): AgentEvents {
  const { agent, monitoring } = parts;
  const resolve = async (frame: AgentFrame, viewer: AgentSocket['viewer']): Promise<readonly AgentEvent[]> =>
    frame.answer === null ? frame.events : [...frame.events, await answerEvent(parts, viewer, frame.answer)];
  const seats = new Seats(createRooms(parts, agentFrames(resolve)), resolve);
  const audience = new Audience();
  monitoring.onAlert((alert) => audience.tell('system_alert', alertOf(alert), ({ scopes }) => scopes.includes('read')));
  /** The conversation each socket used last. */
  const current = new WeakMap<AgentSocket, string>();
  const enter = async (socket: AgentSocket, conversationId: string): Promise<void> => {
    await seats.enter(socket, conversationId);
    current.set(socket, conversationId);
  };

  /** Undefined before the first, and when it was deleted meanwhile. */
  const lastUsed = async (socket: AgentSocket): Promise<string | undefined> => {
    const id = current.get(socket);
    if (id === undefined || (await isOwn(parts, socket.viewer, id))) return id;
    current.delete(socket);
    return undefined;
  };

  return {
    audience,
    remembered: () => seats.size,
    table: {
      start_conversation: clientEvent(eventSchemas.start_conversation, 'chat', async (socket, { user_id: label, model_type: profile, backend_model: backendModel }) => {
        const begun = await beginConversation(parts, socket.viewer, { label, profile, backendModel });
        await enter(socket, begun.conversation_id);
        socket.emit('conversation_started', begun);
        return begun;
      }),
      chat_message: clientEvent(eventSchemas.chat_message, 'chat', async (socket, { message: text, conversation_id: named, model: profile, backend_model: backendModel }) => {
        const conversationId = named ?? (await lastUsed(socket));
        const { answer } = await ask(parts, socket.viewer, { text, conversationId, profile, backendModel, wantsConfidence: true, entering: (id) => enter(socket, id) });
        // The next event need not wait for the model.
        return new Later(answered(parts, socket.viewer, answer.id, true, new AbortController().signal));
      }),
      get_conversation_history: clientEvent(eventSchemas.get_conversation_history, 'chat', async (socket, { conversation_id: id, limit }) => {
        const history = await historyOf(parts, socket.viewer, id, limit);
        await enter(socket, id);
        socket.emit('conversation_history', history);
        return history;
      }),
      get_comprehensive_health: clientEvent(anyPayload, 'read', async (socket) => {
        const health = healthShape(await agent.health(socket.viewer));
        socket.emit('comprehensive_health', health);
        return health;
      }),
      subscribe_ai_metrics: clientEvent(subscribeMetrics, 'read', async (socket, asked) => subscribe(parts, socket, asked)),
      unsubscribe_ai_metrics: clientEvent(anyPayload, 'read', async (socket) => ({ unsubscribed: monitoring.subscriptions.end(socket) })),
      ...Object.fromEntries(Object.entries(eventsNotBuilt).map(([name, scope]) => [name, clientEvent(anyPayload, scope, async () => notBuilt())])),
    },
    greet(socket) {
      audience.add(socket);
      agent.capabilities(socket.viewer).then(
        (found) => {
          const chats = found.features.includes('chat');
          socket.emit('connected', { agent_id: agent.id, version: `${agentVersion}-enhanced`, enhanced_features: enhancedFeaturesOf(found), p2p_enabled: found.features.includes('p2p'), chat_enabled: chats });
        },
        (thrown: unknown) => parts.log.error({ err: asParleyError(thrown).cause ?? thrown }, 'a socket could not be greeted'),
      );
    },
    leave(socket) {
      audience.remove(socket);
      monitoring.subscriptions.end(socket);
      seats.leaveAll(socket);
    },
  };
}

/** The answer as its room is told it, or why it cannot be told now: whoever waits for it hears one of the two. */
async function answerEvent(parts: UltimateParts, viewer: AgentSocket['viewer'], answer: Message): Promise<AgentEvent> {
  try {
    return { event: 'chat_response', payload: await chatAnswerOf(parts, viewer, answer, true) };
  } catch (thrown) {
    const error = asParleyError(thrown);
    parts.log.error({ err: error.cause ?? error, messageId: answer.id }, 'an answer could not be told to its sockets');
    const { event, payload } = errorEvent(error, 'chat_message');
    return { event, payload: { ...payload, conversation_id: answer.conversationId, message_id: answer.id } };
  }
}

/** What a socket is told that an event was refused or has failed. */
export function errorEvent(error: ParleyError, event: string): { event: string; payload: Record<string, unknown> } {
  return { event: 'agent_error', payload: { event, code: error.code, message: error.message } };
}

/** The events on Socket.IO's main namespace. */
export function registerEvents(app: App, events: AgentEvents): void {
  const namespace = app.socketIo.namespace({ name: '/', policy: { localTrust: true, cookie: true }, scope: null });
  namespace.onCome((connection) => events.greet(connection));
  namespace.onGone((connection) => events.leave(connection));
  namespace.onUnknown(errorEvent);
  const table: Record<string, SocketEvent> = {};
  for (const [name, { schema, scope, handle }] of Object.entries(events.table)) table[name] = socketEvent(schema, scope, handle, errorEvent);
  namespace.on(table);
}
