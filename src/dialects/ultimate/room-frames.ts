import { profileOf, usualProfile, type Message } from '../../core/conversations/index.ts';
import { failureOf, type RoomFrames, type RoomMember } from '../shared/index.ts';
import type { AgentFrame, Resolve, Seat } from './seats.ts';

const nothing = (chatId: string): AgentFrame => ({ chatId, events: [], answer: null });

/** Whether Ollama makes an answer: of those the pieces are told. */
const isOfOllama = (model: string | null): boolean => model?.startsWith('ollama/') ?? false;

/** What the sockets in a conversation's room are told. */
export function agentFrames(resolve: Resolve): RoomFrames<AgentFrame> {
  /** Frames of one conversation go out in their order, also when one of them had to be looked up. */
  const outboxes = new Map<string, Promise<void>>();
  const chunkOf = (message: { messageId: string; chatId: string }, chunk: string, done: boolean) =>
    ({ event: 'ollama_streaming_chunk', payload: { chunk, done, conversation_id: message.chatId, message_id: message.messageId } });

  return {
    message: (message) => {
      if (message.role !== 'user') return null;
      const payload = { message: message.content, model: profileOf(message.metadata) ?? usualProfile, conversation_id: message.conversationId, message_id: message.id };
      return { chatId: message.conversationId, events: [{ event: 'chat_message', payload }], answer: null };
    },
    // Every socket follows answers: it hears of their end by `ended`, behind the last piece.
    answer: () => null,
    typing: () => null,
    participant: () => null,
    branchChanged: () => null,
    changed: () => null,
    deleted: () => null,
    started: (message) => nothing(message.conversationId),
    chunk: (chunk) => (chunk.kind === 'text' && isOfOllama(chunk.model) ? { chatId: chunk.chatId, events: [chunkOf(chunk, chunk.chunk, false)], answer: null } : nothing(chunk.chatId)),
    ended: (message) => {
      const chatId = message.conversationId;
      const last = isOfOllama(message.model) ? [chunkOf({ messageId: message.id, chatId }, '', true)] : [];
      if (message.status === 'DELIVERED') return { chatId, events: last, answer: message };
      return { chatId, events: [...last, failed(message)], answer: null };
    },
    sendToMany(members, frame) {
      const seats = members as readonly RoomMember<AgentFrame>[] as readonly Seat[];
      const before = outboxes.get(frame.chatId);
      if (frame.answer === null && before === undefined) return emit(seats, frame.events);
      const sent = (before ?? Promise.resolve()).then(async () => emit(seats, frame.answer === null ? frame.events : await resolve(frame, seats[0]!.viewer)));
      const settled = sent.finally(() => {
        if (outboxes.get(frame.chatId) === settled) outboxes.delete(frame.chatId);
      });
      outboxes.set(frame.chatId, settled);
    },
  };
}

function emit(seats: readonly Seat[], events: AgentFrame['events']): void {
  for (const { event, payload } of events) for (const { socket } of seats) socket.emit(event, payload);
}

function failed(message: Message): AgentFrame['events'][number] {
  const failure = failureOf(message);
  return { event: 'agent_error', payload: { event: 'chat_message', code: failure?.code ?? 'internal', message: failure?.message ?? 'There is no answer.', conversation_id: message.conversationId, message_id: message.id } };
}
