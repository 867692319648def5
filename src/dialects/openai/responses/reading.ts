import type { TurnEvent } from '../../../core/conversations/index.ts';
import type { ReplyEvent, Usage } from '../../../core/models/index.ts';
import { asReplyEvent, failure } from '../answers.ts';
import { endingOf, finished, itemStatus, usageOf, type Ending, type ResponseState } from './answer.ts';
import { OutputBuilder, type OutputListener } from './output.ts';

/** Reads the events of an answer, kept or not, into the state of its response. */
export class AnswerReader {
  /** The one that speaks, once it is known. */
  model: string | null = null;
  ending: Ending | null = null;
  private readonly output: OutputBuilder;
  private usage: Usage = {};

  constructor(answerId: string, listener?: OutputListener) {
    this.output = new OutputBuilder(answerId, listener);
  }

  take(event: ReplyEvent | TurnEvent): void {
    if ('kind' in event && event.kind === 'end') return this.end(endingOf(event));
    const said = asReplyEvent(event);
    switch (said.type) {
      case 'text': return this.output.say(said.isRefusal ? 'refusal' : 'text', said.text);
      case 'reasoning': return this.output.say('reasoning', said.text);
      case 'tool': return this.output.tool(said);
      case 'logprobs': return this.output.logprobs(said.tokens);
      case 'model': return void (this.model = said.model);
      case 'usage': return void (this.usage = { ...this.usage, ...said.usage });
      case 'finish': return this.end(finished(said.reason));
      case 'error': return this.end({ status: 'failed', error: failure(said.error) });
    }
  }

  /** The state now; `endedAt` in milliseconds. */
  state(endedAt: number | null): ResponseState {
    return { status: this.ending?.status ?? 'in_progress', output: this.output.items, usage: usageOf(this.usage), ending: this.ending, endedAt };
  }

  private end(ending: Ending): void {
    this.ending = ending;
    this.output.close(itemStatus(ending));
  }
}
