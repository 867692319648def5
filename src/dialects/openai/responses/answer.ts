import { isErrorCode, ParleyError } from '../../../base/errors.ts';
import type { Message } from '../../../core/conversations/index.ts';
import type { FinishReason, Usage } from '../../../core/models/index.ts';
import { errorObject } from '../errors.ts';
import type { Echo, ItemStatus, OutputItem, ResponseAnswer, ResponseUsage } from './answer-schema.ts';
import { itemIds, responseId } from './ids.ts';

/** What every state of one response has in common. */
export interface ResponseHead {
  /** Of the answer: a message's, or made up for an answer that is not kept. */
  answerId: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** `provider/model` that was asked, or speaks. */
  model: string;
  echo: Echo;
}

/** How an answer ended. */
export type Ending =
  | { status: 'completed' | 'cancelled' }
  | { status: 'incomplete'; reason: 'max_output_tokens' | 'content_filter' }
  | { status: 'failed'; error: ParleyError };

/** What changes while an answer is made. */
export interface ResponseState {
  status: ResponseAnswer['status'];
  output: OutputItem[];
  usage: ResponseUsage | null;
  ending: Ending | null;
  /** Milliseconds since the epoch. */
  endedAt: number | null;
}

/** A response that has said nothing yet. */
export function emptyState(status: 'queued' | 'in_progress'): ResponseState {
  return { status, output: [], usage: null, ending: null, endedAt: null };
}

export function responseObject(head: ResponseHead, state: ResponseState): ResponseAnswer {
  const { ending } = state;
  return {
    id: responseId(head.answerId),
    object: 'response',
    created_at: Math.floor(head.createdAt / 1000),
    completed_at: state.status === 'completed' && state.endedAt !== null ? Math.floor(state.endedAt / 1000) : null,
    status: state.status,
    model: head.model,
    output: state.output,
    error: ending?.status === 'failed' ? responseError(ending.error) : null,
    incomplete_details: ending?.status === 'incomplete' ? { reason: ending.reason } : null,
    usage: state.usage,
    service_tier: null,
    ...head.echo,
  };
}

function responseError(error: ParleyError): { code: string; message: string } {
  const { code, message, type } = errorObject(error);
  return { code: type === 'server_error' || code === null ? 'server_error' : code, message };
}

/** How a reply ended that did not fail. */
export function finished(reason: FinishReason | null): Ending {
  if (reason === 'length') return { status: 'incomplete', reason: 'max_output_tokens' };
  if (reason === 'content_filter') return { status: 'incomplete', reason: 'content_filter' };
  return { status: 'completed' };
}

/** How a stored answer ended, of its row or of its last event. */
export function endingOf({ status, finishReason, error }: { status: string; finishReason: FinishReason | null; error: { code: string; message: string; retryAfterMs?: number } | null }): Ending {
  if (status === 'DELIVERED') return finished(finishReason);
  if (status === 'CANCELLED') return { status: 'cancelled' };
  if (status === 'INTERRUPTED') {
    return { status: 'failed', error: new ParleyError('internal', { message: 'The server stopped in the middle of this answer. What it had said until then is kept.' }) };
  }
  const code = error && isErrorCode(error.code) ? error.code : 'provider_error';
  return { status: 'failed', error: new ParleyError(code, { message: error?.message, retryAfterMs: error?.retryAfterMs, parameter: code === 'context_overflow' ? 'input' : undefined }) };
}

/** Usage in the form of responses; null when nothing is known. */
export function usageOf(usage: Usage): ResponseUsage | null {
  const { tokensIn, tokensOut, tokensReasoning, tokensCached } = usage;
  if (tokensIn === undefined && tokensOut === undefined) return null;
  return {
    input_tokens: tokensIn ?? null,
    input_tokens_details: { cached_tokens: tokensCached ?? null, cache_write_tokens: null },
    output_tokens: tokensOut ?? null,
    output_tokens_details: { reasoning_tokens: tokensReasoning ?? null },
    total_tokens: tokensIn === undefined || tokensOut === undefined ? null : tokensIn + tokensOut,
  };
}

/** A stored answer as it stands now, running or ended. */
export function storedResponse(message: Message, echo: Echo): ResponseAnswer {
  const running = message.status === 'QUEUED' || message.status === 'PROCESSING';
  const ending = running ? null : endingOf(message);
  const status = ending ? ending.status : message.status === 'QUEUED' ? 'queued' : 'in_progress';
  const usage = usageOf({
    tokensIn: message.tokensIn ?? undefined, tokensOut: message.tokensOut ?? undefined, tokensReasoning: message.tokensReasoning ?? undefined, tokensCached: message.tokensCached ?? undefined,
  });
  const head = { answerId: message.id, createdAt: message.createdAt, model: message.model ?? '', echo };
  return responseObject(head, { status, output: storedOutput(message, itemStatus(ending)), usage, ending, endedAt: message.endedAt });
}

/** What the items of a response say of themselves when it ends so. */
export function itemStatus(ending: Ending | null): ItemStatus {
  if (ending === null) return 'in_progress';
  return ending.status === 'completed' ? 'completed' : 'incomplete';
}

/** The output of a stored answer: reasoning, text, calls. */
export function storedOutput(message: Pick<Message, 'id' | 'content' | 'reasoning' | 'toolCalls'>, status: ItemStatus): OutputItem[] {
  const output: OutputItem[] = [];
  if (message.reasoning) output.push({ id: itemIds.reasoning(message.id), type: 'reasoning', status: message.content ? 'completed' : status, summary: [], content: [{ type: 'reasoning_text', text: message.reasoning }] });
  if (message.content) output.push({ id: itemIds.message(message.id), type: 'message', status, role: 'assistant', content: [{ type: 'output_text', text: message.content, annotations: [], logprobs: [] }] });
  for (const [index, call] of (message.toolCalls ?? []).entries()) {
    output.push({ id: itemIds.call(message.id, index), type: 'function_call', status, call_id: call.id, name: call.name, arguments: call.arguments });
  }
  return output;
}
