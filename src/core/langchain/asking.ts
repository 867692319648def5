import { ParleyError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Viewer } from '../accounts/index.ts';
import type { Conversation, Message, Sent } from '../conversations/index.ts';
import type { Target } from '../models/index.ts';
import { thrownAs } from './faults.ts';
import { gather } from './gathering.ts';
import type { LangchainParts } from './parts.ts';
import { Telling } from './telling.ts';
import type { LangchainAnswer, LangchainAsked, LangchainGlance, LangchainMessage } from './types.ts';

/** One message for a model that was made ready. */
export interface Question {
  viewer: Viewer;
  conversation: Conversation;
  message: LangchainMessage;
  target: Target;
  glance: () => LangchainGlance;
}

/** Sends a message that is kept. */
export async function askKept(parts: LangchainParts, question: Question, signal: AbortSignal): Promise<LangchainAsked> {
  const { viewer, conversation, message, target, glance } = question;
  const { userMessage, answer } = await sendKept(parts, question);
  if (message.stream) return { kind: 'streaming', userMessageId: userMessage.id, answerId: answer.id, model: target.id, glance: glance() };
  const ended = await theEnd(parts, viewer, answer.id, signal);
  if (ended.status === 'FAILED') throw thrownAs({ ...(ended.error ?? { code: 'provider_error', message: 'The answer failed.' }) });
  if (ended.status === 'CANCELLED') throw new ParleyError('cancelled');
  if (ended.status !== 'DELIVERED') throw new ParleyError('shutting_down');
  const { model, content, durationMs, tokensIn, tokensOut, finishReason } = ended;
  const [{ messageCount }, totalTokens] = await Promise.all([parts.conversations.get(viewer, conversation.id), parts.conversations.tokensUsed(viewer, conversation.id)]);
  return {
    kind: 'answered',
    question: { id: userMessage.id, content: userMessage.content, at: userMessage.createdAt },
    answer: { id: ended.id, content, model: model ?? target.id, durationMs: durationMs ?? 0, tokensIn, tokensOut, finishReason: finishReason ?? 'stop', at: ended.endedAt ?? parts.clock.now() },
    totalMessages: messageCount,
    totalTokens,
    glance: glance(),
  };
}

async function sendKept(parts: LangchainParts, { viewer, conversation, message, target }: Question): Promise<Sent & { answer: Message }> {
  try {
    const sent = await parts.conversations.send(viewer, conversation.id, { content: message.content, target, dialect: 'arketic', whole: !message.stream, withoutModel: 'throw' });
    // One that waits for others takes leave when its turn comes.
    if (sent.answer?.status !== 'PROCESSING') parts.models.dismiss(target);
    if (!sent.answer) throw new ParleyError('conflict', { message: 'No answer was begun.' });
    return { ...sent, answer: sent.answer };
  } catch (error) {
    parts.models.dismiss(target);
    throw error;
  }
}

/** Waits for the end of an answer. @throws {ParleyError} `cancelled` when the one who waits is gone; the answer goes on */
async function theEnd({ conversations }: LangchainParts, viewer: Viewer, answerId: string, signal: AbortSignal): Promise<Message> {
  for await (const batch of conversations.attach(viewer, answerId, 0, signal)) {
    if (batch.at(-1)!.kind === 'end') return conversations.message(viewer, answerId);
  }
  throw new ParleyError('cancelled');
}

/** Asks without keeping anything: as if the message stood behind the last one. */
export async function askUnkept(parts: LangchainParts, question: Question, signal: AbortSignal): Promise<LangchainAsked> {
  const { viewer, conversation, message, target, glance } = question;
  const { conversations, models, clock } = parts;
  if (message.stream && !parts.isWatched(conversation.id)) {
    models.dismiss(target);
    throw new ParleyError('invalid_request', { message: 'Nobody would get this answer: it is not kept, and no socket of this chat is open. Open one, or send "stream": false.' });
  }
  const aside = { content: message.content, target, dialect: 'arketic', whole: !message.stream };
  const asked = { id: newId(), content: message.content, at: clock.now() };
  const answerId = newId();
  // A stream goes to the sockets of the chat: it ends with them, not with the request.
  const unwatched = new AbortController();
  const reply = await conversations.answerAside(viewer, conversation.id, aside, message.stream ? unwatched.signal : signal).catch((error: unknown) => {
    models.dismiss(target);
    throw error;
  });
  if (message.stream) {
    const telling = new Telling(conversations, clock, { id: answerId, conversationId: conversation.id, model: target.id, createdAt: clock.now() });
    void tellAll(telling, gather(clock, target, reply.events, begun(telling, () => parts.isWatched(conversation.id) || unwatched.abort())), parts);
    return { kind: 'streaming', userMessageId: asked.id, answerId, model: target.id, glance: glance() };
  }
  const answer = await gather(clock, target, reply.events);
  const [{ messageCount }, stored] = await Promise.all([conversations.get(viewer, conversation.id), conversations.tokensUsed(viewer, conversation.id)]);
  return {
    kind: 'answered', question: asked, answer: { ...answer, id: answerId, at: clock.now() },
    totalMessages: messageCount, totalTokens: stored + (answer.tokensIn ?? 0) + (answer.tokensOut ?? 0), glance: glance(),
  };
}

/** Says that the answer begins, and returns what takes its pieces. @param look called with each, to end what nobody gets any more */
function begun(telling: Telling, look: () => void): (piece: string) => void {
  telling.begin();
  return (piece) => {
    telling.text(piece);
    look();
  };
}

async function tellAll(telling: Telling, answer: Promise<LangchainAnswer>, { log }: LangchainParts): Promise<void> {
  try {
    telling.end(await answer, { status: 'DELIVERED', error: null });
  } catch (thrown) {
    const { code, message } = thrown instanceof ParleyError ? thrown : new ParleyError('internal', { cause: thrown });
    if (code === 'internal') log.error({ err: thrown }, 'an answer that is not kept broke off');
    telling.end(null, code === 'cancelled' ? { status: 'CANCELLED', error: null } : { status: 'FAILED', error: { code, message } });
  }
}
