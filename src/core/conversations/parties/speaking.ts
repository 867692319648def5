import { ParleyError } from '../../../base/errors.ts';
import type { Viewer } from '../../accounts/index.ts';
import { lockConversation, openConversation, timeIn } from '../access.ts';
import { announce, answerPlan, planModel, times } from '../answers.ts';
import { cancelAll } from '../cancelling.ts';
import type { ConversationParts } from '../parts.ts';
import { withParty } from './parties.ts';
import { toMessages } from '../reading.ts';
import { addAnswer, follow, moveHead, tailOf } from '../sending.ts';
import type { Conversations } from '../contract.ts';
import type { Message, Speaking } from '../types.ts';

/*
 * Conversations in which models speak for several parties: one of them is let speak, and at the end nobody is any more.
 */

/** Lets a party say something behind what was said last, without a question of anybody. */
async function speak(parts: ConversationParts, viewer: Viewer, conversationId: string, speaking: Speaking): Promise<Message> {
  const { parties, model, dialect, sampling, instructions, metadata, check } = speaking;
  await openConversation(parts.storage.read, viewer, conversationId, 'write');
  const planned = await planModel(parts, model, viewer, { refuseBuiltin: speaking.refuseBuiltin });
  const when = await times(parts);
  const answer = await parts.storage.write(async (queries) => {
    await lockConversation(parts.storage, queries, conversationId);
    const current = await openConversation(queries, viewer, conversationId, 'write');
    await check?.(queries);
    if (current.head_id === null) throw new ParleyError('conflict', { message: 'Nothing was said yet that could be answered.' });
    const options = { dialect, sampling, instructions, refuseBuiltin: speaking.refuseBuiltin, answerMetadata: withParty(metadata, parties.speaker) };
    const now = timeIn(current, when.now);
    const plan = answerPlan(parts, viewer, planned, { model, parties }, options, { now, databaseNow: when.databaseNow });
    const added = await addAnswer(queries, tailOf(current), plan);
    await moveHead(queries, { ...follow(tailOf(current), added.message), headHash: null }, now);
    return added;
  });
  announce(parts, conversationId, null, answer, planned.target);
  return (await toMessages(parts.storage.read, [answer.message]))[0]!;
}

/** Ends a conversation for good: nobody may send into it any more, and everybody may still read it. */
async function close(parts: ConversationParts, viewer: Viewer, conversationId: string, also: Parameters<Conversations['close']>[2]): Promise<void> {
  const { storage, bus } = parts;
  const now = await storage.now();
  await storage.write(async (queries) => {
    await lockConversation(storage, queries, conversationId);
    const current = await openConversation(queries, viewer, conversationId, 'own');
    const closedAt = timeIn(current, now);
    await also?.(queries, closedAt);
    await queries.updateTable('conversations').set({ last_activity_at: closedAt }).where('id', '=', conversationId).execute();
    await queries.updateTable('participants').set({ can_send_messages: 0 }).where('conversation_id', '=', conversationId).execute();
  });
  await cancelAll(parts, conversationId);
  bus.publish(`conversation:${conversationId}`, { type: 'participants' });
}

/** What takes models that speak for several parties. */
export function createSpeaking(parts: ConversationParts): Pick<Conversations, 'speak' | 'close' | 'note'> {
  return {
    speak: (...given) => speak(parts, ...given),
    close: (...given) => close(parts, ...given),
    note: (conversationId, note) => parts.bus.publish(`conversation:${conversationId}`, { type: 'note', note }),
  };
}
