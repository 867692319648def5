import { ParleyError } from '../../base/errors.ts';
import type { WriteQueries } from '../../base/storage/index.ts';
import type { Budgets } from '../budgets/index.ts';
import { lockConversation, openMessage } from './access.ts';
import type { ConversationParts } from './parts.ts';
import { toMessages } from './reading.ts';
import { insertEndEvent } from './statements.ts';
import { instanceTopic } from './turns/request.ts';
import type { Conversations } from './contract.ts';

/** How long a cancel waits for another instance to end the turn, or, when that one is dead, for its lease to run out, milliseconds. */
const patienceMs = 10_000;
/** How often the row is looked at meanwhile without a hint, milliseconds. */
const pollMs = 500;

/** Cancelling belongs to the turn, not to whoever began it: anyone who may write in the conversation can. */
export function createCancelling(parts: ConversationParts): Pick<Conversations, 'cancel'> {
  const { storage } = parts;
  return {
    async cancel(viewer, messageId) {
      const { message, conversation } = await openMessage(storage.read, viewer, messageId, 'write');
      if (message.role !== 'assistant') throw new ParleyError('conflict', { message: 'Only answers can be cancelled.' });
      if (message.status === 'QUEUED' || message.status === 'PROCESSING') {
        const waited = await endWaiting(parts, conversation.id, messageId);
        if (waited.length === 0) await stopRunning(parts, [messageId]);
      }
      const ended = await openMessage(storage.read, viewer, messageId, 'read');
      if (ended.message.ended_at === null) throw new ParleyError('conflict', { message: 'The answer could not be stopped yet. Try again in a moment.', retryAfterMs: 2000 });
      return (await toMessages(storage.read, [ended.message]))[0]!;
    },
  };
}

/** Cancels every answer of a conversation, waiting or running, here or in another instance. Resolves when they have ended, or after a while. */
export async function cancelAll(parts: ConversationParts, conversationId: string): Promise<void> {
  await endWaiting(parts, conversationId);
  const running = await parts.storage.read.selectFrom('turns').select('message_id').where('conversation_id', '=', conversationId).execute();
  await stopRunning(parts, running.map((turn) => turn.message_id));
}

/** Ends turns that have not begun: all of a conversation, or one. Gives those that were ended. */
async function endWaiting({ storage, bus, budgets }: ConversationParts, conversationId: string, messageId?: string): Promise<string[]> {
  const now = await storage.now();
  const ended = await storage.write(async (queries) => {
    await lockConversation(storage, queries, conversationId);
    const removed = await removeWaiting(queries, budgets, conversationId, messageId);
    const body = JSON.stringify({ status: 'CANCELLED', finishReason: null, error: null });
    for (const id of removed) {
      await queries.updateTable('messages').set({ status: 'CANCELLED', ended_at: now }).where('id', '=', id).execute();
      await insertEndEvent.run(queries, { message_id: id, seq: 1, body });
    }
    return removed;
  });
  for (const id of ended) {
    bus.publish(`turn:${id}`, { type: 'turn' });
    bus.publish(`conversation:${conversationId}`, { type: 'turn_ended', messageId: id });
  }
  return ended;
}

/** Removes turns that have not begun, and frees what was reserved for them. Gives the ids of their messages. */
export async function removeWaiting(queries: WriteQueries, budgets: Budgets, conversationId: string, messageId?: string): Promise<string[]> {
  let waiting = queries.deleteFrom('turns').where('conversation_id', '=', conversationId).where('state', '=', 'QUEUED');
  if (messageId !== undefined) waiting = waiting.where('message_id', '=', messageId);
  const removed = (await waiting.returning('message_id').execute()).map((row) => row.message_id);
  if (removed.length > 0) await budgets.settle(queries, removed.map((id) => ({ reservation: id, usage: null, tokensSaid: 0 })));
  return removed;
}

/** Stops turns that run, here or elsewhere. Resolves when they have ended, or after a while. */
async function stopRunning(parts: ConversationParts, messageIds: readonly string[]): Promise<void> {
  const here = messageIds.flatMap((id) => parts.runner.running.get(id) ?? []);
  for (const turn of here) turn.stop('cancelled');
  const elsewhere = messageIds.filter((id) => !parts.runner.running.has(id));
  await Promise.all([...here.map((turn) => turn.ended), stopElsewhere(parts, elsewhere)]);
}

/** Marks the turns, and gives their instances a hint; without it their next heartbeat finds the mark. */
async function stopElsewhere(parts: ConversationParts, messageIds: readonly string[]): Promise<void> {
  if (messageIds.length === 0) return;
  const { storage, bus } = parts;
  const marked = await storage.write((queries) =>
    queries.updateTable('turns').set({ cancel_requested: 1 }).where('message_id', 'in', [...messageIds]).where('state', '=', 'RUNNING').returning(['message_id', 'owner']).execute(),
  );
  for (const owner of new Set(marked.map((turn) => turn.owner))) if (owner !== null) bus.publish(instanceTopic(owner), { type: 'cancel' });
  await Promise.all(marked.map((turn) => hasEnded(parts, turn.message_id)));
}

/** Resolves when no turn of this message is left, or after a while. */
async function hasEnded({ storage, bus, clock }: ConversationParts, messageId: string): Promise<void> {
  const began = clock.monotonic();
  let ring: () => void = () => undefined;
  const unsubscribe = bus.subscribe(`turn:${messageId}`, () => ring());
  try {
    while (clock.monotonic() - began < patienceMs) {
      const rung = new Promise<void>((resolve) => (ring = resolve));
      const turn = await storage.read.selectFrom('turns').select('state').where('message_id', '=', messageId).executeTakeFirst();
      if (!turn) return;
      await Promise.race([rung, new Promise((resolve) => setTimeout(resolve, pollMs).unref())]);
    }
  } finally {
    unsubscribe();
  }
}
