import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { ModelMessage } from '../../core/models/index.ts';
import type { DialectParts } from '../shared/index.ts';
import type { AnswerEvents, AnswerHead } from './answers.ts';
import { unsupported } from './errors.ts';
import type { Asked } from './requests.ts';
import type { CompletionRequest } from './schemas.ts';

/** An answer that is being made: one reply for each choice. */
export interface Answer {
  head: AnswerHead;
  replies: AnswerEvents[];
}

const idPrefix = 'chatcmpl-';

/** @param now milliseconds since the epoch */
export function headOf(id: string, now: number, model: string): AnswerHead {
  return { id: idPrefix + id, created: Math.floor(now / 1000), model };
}

/** The message that a completion's id names; null for a text that is no such id. */
export function messageIdOf(id: string): string | null {
  return id.startsWith(idPrefix) ? id.slice(idPrefix.length) : null;
}

/** Messages that may come with the one that is answered; what is more belongs to the history. */
const mostBefore = 128;

/** Keeps question and answer. The answer goes on without the client; `signal` only ends the reading of it. */
export async function keepAnswer(parts: DialectParts, viewer: Viewer, body: CompletionRequest, asked: Asked, key: string | null, signal: AbortSignal): Promise<Answer> {
  const { model, messages, tools, toolChoice, ...sampling } = asked;
  const { history, before, question } = placed(messages);
  const metadata = body.metadata ?? null;
  const sent = await parts.conversations.sendWithHistory(viewer, { origin: 'openai', model }, history, {
    content: question.content,
    ...(question.parts ? { parts: question.parts } : {}),
    before,
    ...(question.toolCallId === undefined ? {} : { toolCallId: question.toolCallId }),
    metadata,
    answerMetadata: metadata && { metadata },
    model,
    sampling,
    tools,
    toolChoice,
    whole: !body.stream,
    dialect: 'openai',
    idempotencyKey: key,
    withoutModel: 'throw',
  });
  const answer = sent.answer;
  if (!answer) throw new ParleyError('conflict', { message: 'This message was sent before without asking for an answer.' });
  return { head: headOf(answer.id, parts.clock.now(), answer.model ?? model ?? ''), replies: [parts.conversations.attach(viewer, answer.id, 0, signal)] };
}

/**
 * What stands up to the last word of the assistant is history: a conversation that ends so is gone on with. Without one,
 * system messages in front are. What follows comes with the question, which is the last.
 * @throws {ParleyError} `unsupported_value` for what cannot be kept
 */
function placed(messages: ModelMessage[]): { history: ModelMessage[]; before: ModelMessage[]; question: ModelMessage } {
  const question = messages.at(-1)!;
  if (question.role !== 'user' && question.role !== 'tool') {
    throw unsupported('store', `With "store": true the last message must be the user's or the result of a tool, and it is of the role "${question.role}": send this request without "store".`);
  }
  const spoken = messages.findLastIndex((message) => message.role === 'assistant') + 1;
  const firstOther = messages.findIndex((message) => message.role !== 'system');
  const cut = Math.max(spoken || firstOther, messages.length - 1 - mostBefore);
  return { history: messages.slice(0, cut), before: messages.slice(cut, -1), question };
}
