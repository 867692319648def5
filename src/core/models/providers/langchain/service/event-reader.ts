import type { AIMessage, AIMessageChunk } from '@langchain/core/messages';
import type { FinishReason, ReplyEvent, Usage } from '../../../types.ts';
import { readLogprobs, toFinishReason } from '../../openai/reply.ts';
import { ToolPieces } from '../../openai/tool-pieces.ts';

/** What the service itself sent, which LangChain hands over beside its own message. Nothing in it is trusted to be there. */
interface Raw {
  model?: unknown;
  choices?: { delta?: RawText | null; message?: RawText | null }[] | null;
}

interface RawText {
  reasoning_content?: unknown;
  reasoning?: unknown;
  refusal?: unknown;
}

/** Turns LangChain's messages into events. */
export class EventReader {
  /** Why the model stopped; null until it said so. */
  finish: FinishReason | null = null;
  private isNamed = false;
  private readonly tools = new ToolPieces();

  /** A piece of a streamed answer. */
  take(chunk: AIMessageChunk): ReplyEvent[] {
    const events: ReplyEvent[] = [];
    const raw = rawOf(chunk);
    this.beside(raw, raw?.choices?.[0]?.delta ?? null, chunk, events);
    for (const piece of chunk.tool_call_chunks ?? []) {
      events.push(this.tools.read({ index: piece.index, id: piece.id, function: { name: piece.name, arguments: piece.args } }));
    }
    this.end(chunk, events);
    return events;
  }

  /** A whole answer. */
  whole(message: AIMessage): ReplyEvent[] {
    const events: ReplyEvent[] = [];
    const raw = rawOf(message);
    this.beside(raw, raw?.choices?.[0]?.message ?? null, message, events);
    // The arguments as the model wrote them: LangChain's own are read already.
    for (const call of message.additional_kwargs.tool_calls ?? []) events.push(this.tools.read(call));
    this.end(message, events);
    return events;
  }

  /** Everything that is said: the name, the reasoning, the text. */
  private beside(raw: Raw | null, said: RawText | null, message: AIMessage | AIMessageChunk, events: ReplyEvent[]): void {
    if (!this.isNamed && typeof raw?.model === 'string' && raw.model !== '') {
      this.isNamed = true;
      events.push({ type: 'model', model: raw.model.slice(0, 200) });
    }
    const reasoning = said?.reasoning_content ?? said?.reasoning;
    if (typeof reasoning === 'string' && reasoning !== '') events.push({ type: 'reasoning', text: reasoning });
    if (typeof message.content === 'string' && message.content !== '') events.push({ type: 'text', text: message.content });
    if (typeof said?.refusal === 'string' && said.refusal !== '') events.push({ type: 'text', text: said.refusal, isRefusal: true });
  }

  /** What stands behind the text: log-probabilities, usage, the reason for stopping. */
  private end(message: AIMessage | AIMessageChunk, events: ReplyEvent[]): void {
    const { logprobs, finish_reason: reason } = message.response_metadata as { logprobs?: { content?: never[] | null; refusal?: never[] | null } | null; finish_reason?: unknown };
    if (logprobs) readLogprobs(logprobs.content ?? logprobs.refusal, events);
    const usage = usageOf(message);
    if (usage) events.push({ type: 'usage', usage });
    if (typeof reason === 'string') this.finish = toFinishReason(reason);
  }
}

function rawOf(message: AIMessage | AIMessageChunk): Raw | null {
  const raw = message.additional_kwargs['__raw_response'];
  return typeof raw === 'object' && raw !== null ? raw : null;
}

/** Usage as LangChain hands it over; figures that the service did not give are left out. */
function usageOf({ usage_metadata: metadata }: AIMessage | AIMessageChunk): Usage | null {
  if (!metadata) return null;
  const usage: Usage = {};
  const figures = {
    tokensIn: metadata.input_tokens, tokensOut: metadata.output_tokens,
    tokensReasoning: metadata.output_token_details?.reasoning, tokensCached: metadata.input_token_details?.cache_read,
  };
  for (const [name, count] of Object.entries(figures) as [keyof Usage, number | undefined][]) {
    if (typeof count === 'number' && Number.isInteger(count) && count >= 0) usage[name] = count;
  }
  return Object.keys(usage).length > 0 ? usage : null;
}
