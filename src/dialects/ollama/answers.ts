import { isoTime, type Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { FinishReason, ReplyError, ReplyEvent, TokenLogprob, Usage } from '../../core/models/index.ts';
import { errorLine } from './errors.ts';
import type { Names } from './names.ts';

/** Where the two ways to ask differ in what they answer. */
export interface AnswerForm {
  /** The fields of a text, a thought or calls; all empty at the end of a stream. */
  fields(said: { text?: string; thinking?: string; tools?: ToolCallObject[] }): object;
  /** JSON before and behind a text alone: nearly all lines are such, and are put together without objects. */
  text: readonly [before: string, after: string];
}

export interface ToolCallObject {
  id: string;
  function: { index: number; name: string; arguments: Record<string, unknown> };
}

export const chatForm: AnswerForm = {
  fields: ({ text, thinking, tools }) => ({
    message: { role: 'assistant', content: text ?? '', ...(thinking ? { thinking } : {}), ...(tools?.length ? { tool_calls: tools } : {}) },
  }),
  text: ['"message":{"role":"assistant","content":', '}'],
};

export const generateForm: AnswerForm = {
  fields: ({ text, thinking }) => ({ response: text ?? '', ...(thinking ? { thinking } : {}) }),
  text: ['"response":', ''],
};

/** What an answer is written with. */
export interface AnswerHead {
  /** `provider/model` that was asked. */
  id: string;
  names: Names;
  form: AnswerForm;
  /** Whether thoughts are shown: not for who said `think: false`. */
  showsThinking: boolean;
  clock: Clock;
  /** Monotonic time at which the request was there. */
  began: number;
}

const nanosecondsInMillisecond = 1e6;

/** Turns the events of a reply into Ollama's objects: one for each piece, or one for all. */
export class Answer {
  /** Set with the last piece. */
  ended = false;
  error: ParleyError | null = null;
  private readonly head: AnswerHead;
  private model: string;
  private usage: Usage = {};
  private readonly tools: { id: string; name: string; arguments: string }[] = [];
  private logprobs: TokenLogprob[] = [];
  private firstAt: number | null = null;
  private batches = 0;

  constructor(head: AnswerHead) {
    this.head = head;
    this.model = head.names.shown(head.id);
  }

  /** The lines of a batch. */
  lines(batch: readonly ReplyEvent[]): string {
    this.received(batch);
    const [before, after] = this.head.form.text;
    let begin = '';
    let lines = '';
    for (let at = 0; at < batch.length; at += 1) {
      const event = batch[at]!;
      const next = batch[at + 1];
      // Log-probabilities stand in the line of the text they are of: models tell them right behind it, or before it.
      if (event.type === 'text' && this.logprobs.length === 0 && next?.type === 'logprobs') {
        this.note(next);
        lines += this.line(event);
        at += 1;
      } else if (event.type === 'text' && this.logprobs.length === 0) {
        begin ||= `{"model":${JSON.stringify(this.model)},"created_at":"${isoTime(this.head.clock.now())}",${before}`;
        lines += `${begin}${JSON.stringify(event.text)}${after},"done":false}\n`;
      } else {
        if (event.type === 'model') begin = '';
        lines += this.line(event);
      }
    }
    return lines;
  }

  private line(event: ReplyEvent): string {
    switch (event.type) {
      case 'text':
        return this.piece({ text: event.text });
      case 'reasoning':
        return this.head.showsThinking ? this.piece({ thinking: event.text }) : '';
      case 'finish':
        this.ended = true;
        return this.closing(event.reason);
      case 'error':
        return this.fail(failure(event.error));
      default:
        this.note(event);
        return '';
    }
  }

  private closing(reason: FinishReason): string {
    try {
      const tools = this.toolCalls();
      return `${tools.length > 0 ? this.piece({ tools }) : ''}${JSON.stringify(this.last({}, reason))}\n`;
    } catch (thrown) {
      if (thrown instanceof ParleyError) return this.fail(thrown);
      throw thrown;
    }
  }

  private fail(error: ParleyError): string {
    this.ended = true;
    this.error = error;
    return errorLine(error);
  }

  /** Everything in one object. @throws {ParleyError} what ended the reply instead of a finish */
  async whole(events: AsyncIterable<ReplyEvent[]>): Promise<object> {
    const said = { text: '', thinking: '' };
    for await (const batch of events) {
      this.received(batch);
      for (const event of batch) {
        if (event.type === 'text') said.text += event.text;
        else if (event.type === 'reasoning') said.thinking += this.head.showsThinking ? event.text : '';
        else if (event.type === 'error') throw failure(event.error);
        else if (event.type === 'finish') return this.last({ ...said, tools: this.toolCalls() }, event.reason);
        else this.note(event);
      }
    }
    throw endedSilently();
  }

  /** Notes when the first piece came, and whether more followed. */
  private received(batch: readonly ReplyEvent[]): void {
    if (!batch.some(({ type }) => type === 'text' || type === 'reasoning' || type === 'tool')) return;
    this.firstAt ??= this.head.clock.monotonic();
    this.batches += 1;
  }

  private note(event: Exclude<ReplyEvent, { type: 'text' | 'reasoning' | 'finish' | 'error' }>): void {
    if (event.type === 'model') this.model = this.head.names.shown(event.model);
    else if (event.type === 'usage') this.usage = { ...this.usage, ...event.usage };
    else if (event.type === 'logprobs') this.logprobs.push(...event.tokens);
    else {
      const tool = (this.tools[event.index] ??= { id: '', name: '', arguments: '' });
      tool.id ||= event.id ?? '';
      tool.name ||= event.name ?? '';
      tool.arguments += event.arguments;
    }
  }

  private piece(said: Parameters<AnswerForm['fields']>[0]): string {
    return `${JSON.stringify({ ...this.opening(said), done: false, ...this.takeLogprobs() })}\n`;
  }

  private opening(said: Parameters<AnswerForm['fields']>[0]): object {
    return { model: this.model, created_at: isoTime(this.head.clock.now()), ...this.head.form.fields(said) };
  }

  /** The last object, with the figures that were measured; others are left out. */
  private last(said: Parameters<AnswerForm['fields']>[0], reason: FinishReason): object {
    const now = this.head.clock.monotonic();
    const { tokensIn, tokensOut } = this.usage;
    // What came at once says nothing of how fast it was made.
    const isTimed = this.batches > 1 && this.firstAt !== null;
    return {
      ...this.opening(said),
      done: true,
      done_reason: reason === 'tool' ? 'stop' : reason,
      total_duration: nanoseconds(now - this.head.began),
      ...(tokensIn === undefined ? {} : { prompt_eval_count: tokensIn }),
      ...(tokensOut === undefined ? {} : { eval_count: tokensOut }),
      ...(isTimed ? { eval_duration: nanoseconds(now - this.firstAt!) } : {}),
      ...this.takeLogprobs(),
    };
  }

  private takeLogprobs(): object {
    if (this.logprobs.length === 0) return {};
    const logprobs = this.logprobs.map(({ top, ...token }) => ({ ...logprob(token), ...(top.length > 0 ? { top_logprobs: top.map(logprob) } : {}) }));
    this.logprobs = [];
    return { logprobs };
  }

  /** @throws {ParleyError} `provider_error` for arguments that are no object, which Ollama's form cannot hold */
  private toolCalls(): ToolCallObject[] {
    return this.tools.filter(Boolean).map((tool, index) => ({ id: tool.id, function: { index, name: tool.name, arguments: objectOf(tool.arguments) } }));
  }
}

function logprob({ token, logprob: value, bytes }: Omit<TokenLogprob, 'top'>): object {
  return { token, logprob: value, ...(bytes === null ? {} : { bytes }) };
}

export function nanoseconds(milliseconds: number): number {
  return Math.round(milliseconds * nanosecondsInMillisecond);
}

function objectOf(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text === '' ? '{}' : text);
  } catch (error) {
    throw new ParleyError('provider_error', { message: 'The model called a tool with arguments that are not valid JSON.', cause: error });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ParleyError('provider_error', { message: 'The model called a tool with arguments that are no object.' });
}

/** The error of a reply as one that may be shown. */
function failure({ code, message, retryAfterMs }: ReplyError): ParleyError {
  return new ParleyError(code, { message, retryAfterMs });
}

export function endedSilently(): ParleyError {
  return new ParleyError('provider_error', { message: 'The answer ended without saying so.' });
}
