import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { isSaid, type Message } from '../../core/conversations/index.ts';
import { failureOf, takeFrom, type DialectParts } from '../shared/index.ts';
import { ownConversation } from './access.ts';
import { modelOf } from './naming.ts';

/** A message to send, in the document's terms. */
export interface Question {
  conversationId: string;
  content: string;
  model?: string | undefined;
  provider?: string | undefined;
  idempotencyKey?: string | null;
}

/**
 * Stores a message and begins its answer; over REST and over a socket alike.
 * @throws {ParleyError} `not_found`, `validation_failed`, `rate_limited`, `conflict` where no model answers, and what `send` throws
 */
export async function ask(parts: DialectParts, viewer: Viewer, question: Question): Promise<{ userMessage: Message; answer: Message }> {
  const { conversations, models, settings } = parts;
  await ownConversation(parts, viewer, question.conversationId);
  const model = modelOf(models, { provider: question.provider, name: question.model }, 'provider');
  await takeFrom(parts, { name: 'messages', count: settings.limits.messagesPerHour, windowMs: 3_600_000 }, viewer.userId);
  const sent = await conversations.send(viewer, question.conversationId, {
    content: question.content,
    ...(model === null ? {} : { model }),
    dialect: 'studio',
    refuseBuiltin: true,
    idempotencyKey: question.idempotencyKey ?? null,
  });
  if (!sent.answer) throw new ParleyError('conflict', { message: 'No model answers in this conversation: name one with "model".' });
  return { userMessage: sent.userMessage, answer: sent.answer };
}

/**
 * The answer, as soon as it has ended. When `signal` is aborted only the waiting stops: the answer goes on.
 * @throws {ParleyError} why there is none
 */
export async function finished({ conversations }: DialectParts, viewer: Viewer, answerId: string, signal: AbortSignal): Promise<Message> {
  for await (const batch of conversations.attach(viewer, answerId, 0, signal)) {
    if (batch.at(-1)!.kind !== 'end') continue;
    const answer = await conversations.message(viewer, answerId);
    if (!isSaid(answer)) throw failureOf(answer) ?? new ParleyError('internal');
    return answer;
  }
  throw signal.aborted ? new ParleyError('cancelled') : new ParleyError('not_found', { message: 'Not found' });
}
