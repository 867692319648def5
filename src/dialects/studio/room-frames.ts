import { isSaid } from '../../core/conversations/index.ts';
import type { Models } from '../../core/models/index.ts';
import type { RoomFrames, RoomMember, SocketNamespace } from '../shared/index.ts';
import { modelFields } from './naming.ts';
import { groupOf, type Seat, type StudioFrame } from './seats.ts';
import { messageShape, receivedShape } from './shapes.ts';

/** What the sockets in a conversation's room are told. Only the first two are the document's; those of growing answers are additions. */
export function studioFrames(models: Pick<Models, 'hasProvider'>, namespace: Pick<SocketNamespace, 'emitToMany' | 'emitToGroup'>): RoomFrames<StudioFrame> {
  return {
    message: (message) => ({ event: 'message_received', payload: receivedShape(models, message) }),
    answer: (message) => (isSaid(message) ? { event: 'message_received', payload: receivedShape(models, message) } : null),
    typing: (chatId, event) => ({ event: 'user_typing', payload: { user_id: event.userId, conversation_id: chatId, is_typing: event.isTyping } }),
    participant: () => null,
    branchChanged: () => null,
    changed: () => null,
    deleted: () => null,
    started: (message, asked) => {
      const { provider, name } = modelFields(models, asked);
      return { event: 'answer_started', payload: { message_id: message.id, conversation_id: message.conversationId, model: name, provider } };
    },
    chunk: ({ kind, messageId, chatId, seq, offset, chunk }) => ({
      event: kind === 'text' ? 'answer_chunk' : 'answer_reasoning',
      payload: { message_id: messageId, conversation_id: chatId, seq, offset, content: chunk },
    }),
    ended: (message) => {
      const { provider, name } = modelFields(models, message.model);
      const { tokens_used, cost } = messageShape(models, message);
      const ids = { message_id: message.id, conversation_id: message.conversationId };
      return { event: 'answer_ended', payload: { ...ids, status: message.status.toLowerCase(), error: message.error, model: name, provider, tokens_used, cost } };
    },
    sendToMany(members: readonly RoomMember<StudioFrame>[], { event, payload }) {
      const seats = members as readonly Seat[];
      const isStuck = seats.some(({ connection }) => connection.cutOffWhenStuck());
      if (!isStuck && sendToGroup(namespace, seats, { event, payload })) return;
      namespace.emitToMany(seats.map(({ connection }) => connection), event, payload);
    },
  };
}

/** Sends to the group that holds just these seats, where there is one: as many of a group as it has are all of it. */
function sendToGroup(namespace: Pick<SocketNamespace, 'emitToGroup'>, seats: readonly Seat[], { event, payload }: StudioFrame): boolean {
  const first = seats[0];
  if (!first) return true;
  const { chatId } = first.room;
  if (namespace.emitToGroup(groupOf(chatId, false), seats.length, event, payload)) return true;
  return seats.every(({ streams }) => streams) && namespace.emitToGroup(groupOf(chatId, true), seats.length, event, payload);
}
