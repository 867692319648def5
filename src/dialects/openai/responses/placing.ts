import { ParleyError } from '../../../base/errors.ts';
import type { ModelMessage } from '../../../core/models/index.ts';

/** Messages of one input as they are sent: the history that stands already, what comes with the question, the question. */
export interface Placed {
  /** The system messages at the beginning of the history: the conversation's own prompt. */
  prompt: string[];
  history: ModelMessage[];
  before: ModelMessage[];
  question: ModelMessage;
}

/** Messages that may come with a question; what is more belongs to the history. */
const mostBefore = 128;

/**
 * What stands up to the last word of the assistant is history: a conversation that ends so is gone on with. Without one,
 * system messages in front are.
 * @throws {ParleyError} `unsupported_value` for what cannot be kept
 */
export function placeMessages(messages: ModelMessage[]): Placed {
  const question = messages.at(-1)!;
  if (question.role !== 'user' && question.role !== 'tool') {
    const message = 'A response that is kept must answer a message of the user or the output of a function: end the input with one, or send "store": false.';
    throw new ParleyError('unsupported_value', { message, parameter: 'input' });
  }
  const spoken = messages.findLastIndex((message) => message.role === 'assistant') + 1;
  const firstOther = messages.findIndex((message) => message.role !== 'system');
  const cut = Math.max(spoken || firstOther, messages.length - 1 - mostBefore);
  const history = messages.slice(0, cut);
  return { prompt: history.slice(0, firstOther).map(({ content }) => content), history, before: messages.slice(cut, -1), question };
}
