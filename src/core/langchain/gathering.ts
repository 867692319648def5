import type { ReplyEvent, Target } from '../models/index.ts';
import type { Clock } from '../../base/clock.ts';
import { thrownAs } from './faults.ts';
import type { LangchainAnswer } from './types.ts';

/**
 * Puts an answer that is not kept together.
 * @param onText called with each piece of the text, before the next one is read
 * @throws {ParleyError} what ended it in place of a finish
 */
export async function gather(clock: Clock, target: Target, events: AsyncIterable<ReplyEvent[]>, onText: (piece: string) => void = () => undefined): Promise<LangchainAnswer> {
  const began = clock.monotonic();
  const answer: LangchainAnswer = { content: '', model: target.id, durationMs: 0, tokensIn: null, tokensOut: null, finishReason: 'stop' };
  for await (const batch of events) {
    for (const event of batch) {
      switch (event.type) {
        case 'model':
          answer.model = event.model;
          break;
        case 'text':
          answer.content += event.text;
          onText(event.text);
          break;
        case 'usage':
          answer.tokensIn = event.usage.tokensIn ?? answer.tokensIn;
          answer.tokensOut = event.usage.tokensOut ?? answer.tokensOut;
          break;
        case 'finish':
          return { ...answer, finishReason: event.reason, durationMs: Math.round(clock.monotonic() - began) };
        case 'error':
          throw thrownAs(event.error);
      }
    }
  }
  throw thrownAs({ code: 'provider_error', message: 'The answer ended without saying so.' });
}
