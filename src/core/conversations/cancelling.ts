import { ParleyError } from '../../base/errors.ts';
import { lockConversation, openMessage } from './access.ts';
import type { ConversationParts } from './parts.ts';
import { toMessages } from './reading.ts';
import type { Conversations } from './types.ts';

/** How long a cancel waits for another instance to end the turn, milliseconds. */
const patienceMs = 10_000;

/** Cancelling belongs to the turn, not to whoever began it: anyone who may write in the conversation can. */
export function createCancelling(parts: ConversationParts, attach: Conversations['attach']): Pick<Conversations, 'cancel'> {
  const { storage, runner, bus, clock } = parts;

  /** Ends a turn that has not begun. False when it has begun meanwhile. */
  async function cancelWaiting(messageId: string, conversationId: string): Promise<boolean> {
    const now = clock.now();
    const cancelled = await storage.write(async (queries) => {
      await lockConversation(storage, queries, conversationId);
      const removed = await queries.deleteFrom('turns').where('message_id', '=', messageId).where('state', '=', 'QUEUED').executeTakeFirst();
      if (Number(removed.numDeletedRows) === 0) return false;
      await queries.updateTable('messages').set({ status: 'CANCELLED', ended_at: now }).where('id', '=', messageId).execute();
      const body = JSON.stringify({ status: 'CANCELLED', finishReason: null, error: null });
      await queries.insertInto('turn_log').values({ message_id: messageId, seq: 1, kind: 'end', body, text_offset: 0 }).execute();
      return true;
    });
    if (cancelled) {
      bus.publish(`turn:${messageId}`, { type: 'turn' });
      bus.publish(`conversation:${conversationId}`, { type: 'turn_ended', messageId });
    }
    return cancelled;
  }

  /** Asks the instance that runs it; its heartbeat looks for the mark. */
  async function cancelElsewhere(messageId: string): Promise<void> {
    await storage.write((queries) => queries.updateTable('turns').set({ cancel_requested: 1 }).where('message_id', '=', messageId).execute());
  }

  return {
    async cancel(viewer, messageId) {
      const { message, conversation } = await openMessage(storage.read, viewer, messageId, 'write');
      if (message.role !== 'assistant') throw new ParleyError('conflict', { message: 'Only answers can be cancelled.' });
      if (message.status === 'QUEUED' || message.status === 'PROCESSING') {
        if (!(await cancelWaiting(messageId, conversation.id))) {
          const local = runner.running.get(messageId);
          if (local) {
            local.stop('cancelled');
            await local.ended;
          } else {
            await cancelElsewhere(messageId);
            for await (const _ of attach(viewer, messageId, 0, AbortSignal.timeout(patienceMs)));
          }
        }
      }
      const ended = await openMessage(storage.read, viewer, messageId, 'read');
      if (ended.message.ended_at === null) throw new ParleyError('conflict', { message: 'The answer could not be stopped yet. Try again in a moment.' });
      return (await toMessages(storage.read, [ended.message]))[0]!;
    },
  };
}
