import { errorTable, isErrorCode, ParleyError } from '../../base/errors.ts';
import type { TurnEvent } from '../../core/conversations/index.ts';
import type { FinishReason, ReplyError, ReplyEvent, TokenLogprob, Usage } from '../../core/models/index.ts';
import type { CompletionAnswer, CompletionChoice, LogprobsObject, UsageObject } from './schemas.ts';

/** What every answer and every chunk of it names. */
export interface AnswerHead {
  /** `chatcmpl-` and an id; for a kept answer the id of its message. */
  id: string;
  /** Seconds since the epoch. */
  created: number;
  /** `provider/model` that was asked. */
  model: string;
}

export type Finish = CompletionChoice['finish_reason'];

/** How an answer is written. */
export interface AnswerForm {
  /** The request asked for functions, the form before tools: the first call is told in that form. */
  oldFunctions: boolean;
  logprobs: boolean;
  /** Whether a stream ends with its usage. */
  usage: boolean;
}

export function finishOf(reason: FinishReason, form: Pick<AnswerForm, 'oldFunctions'>): Finish {
  if (reason !== 'tool') return reason;
  return form.oldFunctions ? 'function_call' : 'tool_calls';
}

/** Usage in OpenAI's form; null when nothing is known. Sound and predicted text are never sent to a model. */
export function usageOf(usage: Usage): UsageObject | null {
  const { tokensIn, tokensOut, tokensReasoning, tokensCached } = usage;
  if (tokensIn === undefined && tokensOut === undefined) return null;
  return {
    prompt_tokens: tokensIn ?? null,
    completion_tokens: tokensOut ?? null,
    total_tokens: tokensIn === undefined || tokensOut === undefined ? null : tokensIn + tokensOut,
    ...(tokensCached === undefined ? {} : { prompt_tokens_details: { cached_tokens: tokensCached, audio_tokens: 0 } }),
    ...(tokensReasoning === undefined
      ? {}
      : { completion_tokens_details: { reasoning_tokens: tokensReasoning, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 } }),
  };
}

/** What several answers used together; a figure that one of them does not know is not known. */
export function sumUsage(usages: readonly Usage[]): Usage {
  const total: Usage = {};
  for (const figure of ['tokensIn', 'tokensOut', 'tokensReasoning', 'tokensCached'] as const) {
    const known = usages.map((usage) => usage[figure]).filter((value) => value !== undefined);
    if (known.length === usages.length) total[figure] = known.reduce((sum, value) => sum + value, 0);
  }
  return total;
}

/** Log-probabilities in OpenAI's form. */
export function logprobsOf(tokens: readonly TokenLogprob[], isRefusal: boolean): LogprobsObject {
  const entries = tokens.map(({ token, logprob, bytes, top }) => ({ token, logprob, bytes, top_logprobs: top }));
  return isRefusal ? { content: null, refusal: entries } : { content: entries, refusal: null };
}

/** The error of a reply as one that may be shown. */
export function failure(error: ReplyError): ParleyError {
  return new ParleyError(error.code, { message: error.message, retryAfterMs: error.retryAfterMs, parameter: error.parameter });
}

/** A whole reply. */
export interface Gathered {
  /** The model that spoke, when it is not the one that was asked. */
  model: string | null;
  text: string;
  refusal: string;
  reasoning: string;
  tools: { id: string; name: string; arguments: string }[];
  logprobs: TokenLogprob[];
  usage: Usage;
  reason: FinishReason;
}

/** Puts a reply together. @throws {ParleyError} what ended it instead of a finish */
export async function gather(events: AnswerEvents): Promise<Gathered> {
  const answer: Gathered = { model: null, text: '', refusal: '', reasoning: '', tools: [], logprobs: [], usage: {}, reason: 'stop' };
  for await (const batch of events) {
    for (const raw of batch) {
      const event = asReplyEvent(raw);
      switch (event.type) {
        case 'text':
          if (event.isRefusal) answer.refusal += event.text;
          else answer.text += event.text;
          break;
        case 'reasoning': answer.reasoning += event.text; break;
        case 'tool': addToolPiece(answer.tools, event); break;
        case 'logprobs': answer.logprobs.push(...event.tokens); break;
        case 'model': answer.model = event.model; break;
        case 'usage': answer.usage = { ...answer.usage, ...event.usage }; break;
        case 'error': throw failure(event.error);
        case 'finish': return { ...answer, reason: event.reason };
      }
    }
  }
  throw new ParleyError('provider_error', { message: 'The answer ended without saying so.' });
}

function addToolPiece(tools: Gathered['tools'], piece: Extract<ReplyEvent, { type: 'tool' }>): void {
  const tool = (tools[piece.index] ??= { id: '', name: '', arguments: '' });
  tool.id ||= piece.id ?? '';
  tool.name ||= piece.name ?? '';
  tool.arguments += piece.arguments;
}

/** A completion of one choice or several. */
export function completion(head: AnswerHead, answers: readonly Gathered[], form: AnswerForm): CompletionAnswer {
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: answers[0]?.model ?? head.model,
    choices: answers.map((answer, index) => choiceOf(answer, index, form)),
    usage: usageOf(sumUsage(answers.map(({ usage }) => usage))),
  };
}

function choiceOf(answer: Gathered, index: number, form: AnswerForm): CompletionChoice {
  const tools = answer.tools.filter(Boolean);
  const hasOnlyOther = answer.text === '' && (tools.length > 0 || answer.refusal !== '');
  return {
    index,
    message: {
      role: 'assistant',
      content: hasOnlyOther ? null : answer.text,
      refusal: answer.refusal || null,
      ...(answer.reasoning ? { reasoning_content: answer.reasoning } : {}),
      ...calledIn(tools, form),
    },
    logprobs: form.logprobs && answer.logprobs.length > 0 ? logprobsOf(answer.logprobs, answer.text === '' && answer.refusal !== '') : null,
    finish_reason: finishOf(answer.reason, form),
  };
}

function calledIn(tools: Gathered['tools'], form: AnswerForm): Partial<CompletionChoice['message']> {
  const [first] = tools;
  if (!first) return {};
  if (form.oldFunctions) return { function_call: { name: first.name, arguments: first.arguments } };
  return { tool_calls: tools.map((tool) => ({ id: tool.id, type: 'function' as const, function: { name: tool.name, arguments: tool.arguments } })) };
}

/** Batches of a reply, or of a kept answer: both are written by the same code. */
export type AnswerEvents = AsyncIterable<(ReplyEvent | TurnEvent)[]>;

/** One event in the form of a reply. No generator stands in between: this is the path of every token. */
export function asReplyEvent(event: ReplyEvent | TurnEvent): ReplyEvent {
  return 'kind' in event ? replyEvent(event) : event;
}

function replyEvent(event: TurnEvent): ReplyEvent {
  switch (event.kind) {
    case 'start': return { type: 'model', model: event.model };
    case 'text': return { type: 'text', text: event.text };
    case 'reasoning': return { type: 'reasoning', text: event.text };
    case 'tool': return { type: 'tool', index: event.index, id: event.id, name: event.name, arguments: event.arguments };
    case 'logprobs': return { type: 'logprobs', tokens: event.tokens };
    case 'usage': return { type: 'usage', usage: event.usage };
    case 'end': return event.status === 'DELIVERED' ? { type: 'finish', reason: event.finishReason ?? 'stop' } : { type: 'error', error: endError(event) };
  }
}

function endError(end: Extract<TurnEvent, { kind: 'end' }>): ReplyError {
  if (end.status === 'CANCELLED') return { code: 'cancelled', message: errorTable.cancelled.sentence, serviceFault: false };
  if (end.status === 'INTERRUPTED') return { code: 'internal', message: 'The server stopped in the middle of the answer; its text is kept.', serviceFault: false };
  const code = end.error && isErrorCode(end.error.code) ? end.error.code : 'provider_error';
  return { code: code as ReplyError['code'], message: end.error?.message ?? errorTable[code].sentence, retryAfterMs: end.error?.retryAfterMs, serviceFault: false };
}
