import { errorTable, ParleyError, type ErrorCode } from '../../base/errors.ts';
import type { TurnEvent } from '../../core/conversations/index.ts';
import type { FinishReason, ReplyError, ReplyEvent, Usage } from '../../core/models/index.ts';
import type { CompletionAnswer, UsageObject } from './schemas.ts';

/** What every answer and every chunk of it names. */
export interface AnswerHead {
  /** `chatcmpl-` and an id; for a kept answer the id of its message. */
  id: string;
  /** Seconds since the epoch. */
  created: number;
  /** `provider/model` that was asked. */
  model: string;
}

export type Finish = CompletionAnswer['choices'][number]['finish_reason'];

export function finishOf(reason: FinishReason): Finish {
  return reason === 'tool' ? 'tool_calls' : reason;
}

/** Usage in OpenAI's form; null when nothing is known. */
export function usageOf(usage: Usage): UsageObject | null {
  const { tokensIn, tokensOut, tokensReasoning, tokensCached } = usage;
  if (tokensIn === undefined && tokensOut === undefined) return null;
  return {
    prompt_tokens: tokensIn ?? null,
    completion_tokens: tokensOut ?? null,
    total_tokens: tokensIn === undefined || tokensOut === undefined ? null : tokensIn + tokensOut,
    ...(tokensCached === undefined ? {} : { prompt_tokens_details: { cached_tokens: tokensCached } }),
    ...(tokensReasoning === undefined ? {} : { completion_tokens_details: { reasoning_tokens: tokensReasoning } }),
  };
}

/** The error of a reply as one that may be shown. */
export function failure(error: ReplyError): ParleyError {
  return new ParleyError(error.code, { message: error.message, retryAfterMs: error.retryAfterMs });
}

/** Puts a reply together. @throws {ParleyError} what ended it instead of a finish */
export async function gather(head: AnswerHead, events: AnswerEvents): Promise<CompletionAnswer> {
  const answer = { model: head.model, text: '', reasoning: '', usage: {} as Usage, tools: [] as { id: string; name: string; arguments: string }[] };
  for await (const batch of events) {
    for (const raw of batch) {
      const event = asReplyEvent(raw);
      switch (event.type) {
        case 'text': answer.text += event.text; break;
        case 'reasoning': answer.reasoning += event.text; break;
        case 'tool': addToolPiece(answer.tools, event); break;
        case 'model': answer.model = event.model; break;
        case 'usage': answer.usage = { ...answer.usage, ...event.usage }; break;
        case 'error': throw failure(event.error);
        case 'finish': return completion({ ...head, model: answer.model }, answer, finishOf(event.reason));
      }
    }
  }
  throw new ParleyError('provider_error', { message: 'The answer ended without saying so.' });
}

function addToolPiece(tools: { id: string; name: string; arguments: string }[], piece: Extract<ReplyEvent, { type: 'tool' }>): void {
  const tool = (tools[piece.index] ??= { id: '', name: '', arguments: '' });
  tool.id ||= piece.id ?? '';
  tool.name ||= piece.name ?? '';
  tool.arguments += piece.arguments;
}

function completion(head: AnswerHead, answer: { text: string; reasoning: string; usage: Usage; tools: { id: string; name: string; arguments: string }[] }, finish: Finish): CompletionAnswer {
  const tools = answer.tools.filter(Boolean);
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: tools.length > 0 && answer.text === '' ? null : answer.text,
          refusal: null,
          ...(answer.reasoning ? { reasoning_content: answer.reasoning } : {}),
          ...(tools.length > 0 ? { tool_calls: tools.map((tool) => ({ id: tool.id, type: 'function' as const, function: { name: tool.name, arguments: tool.arguments } })) } : {}),
        },
        logprobs: null,
        finish_reason: finish,
      },
    ],
    usage: usageOf(answer.usage),
  };
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
  const code = end.error && end.error.code in errorTable ? (end.error.code as ErrorCode) : 'provider_error';
  return { code: code as ReplyError['code'], message: end.error?.message ?? errorTable[code].sentence, retryAfterMs: end.error?.retryAfterMs, serviceFault: false };
}
