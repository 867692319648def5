import type { FinishReason, ReplyEvent, TokenLogprob, Usage } from '../../types.ts';
import { count, createDocumentReader, createEventReader, ReplyFault, type AnswerForm, type Reading, type ReplyReader } from '../../wire/index.ts';
import { holdsError, readEventError } from './errors.ts';
import { ToolPieces, type WireToolPiece } from './tool-pieces.ts';

/** A chunk of a stream, or a whole completion. Nothing in it is trusted to be there. */
interface WireChunk {
  model?: unknown;
  choices?: WireChoice[] | null;
  usage?: WireUsage | null;
  /** Groq's own place for usage. */
  x_groq?: { usage?: WireUsage | null } | null;
}

interface WireChoice {
  delta?: WireDelta | null;
  /** A server that does not stream answers with a whole message. */
  message?: WireDelta | null;
  finish_reason?: unknown;
  logprobs?: { content?: WireLogprob[] | null; refusal?: WireLogprob[] | null } | null;
  /** Moonshot's own place for usage. */
  usage?: WireUsage | null;
}

interface WireLogprob {
  token?: unknown;
  logprob?: unknown;
  bytes?: unknown;
  top_logprobs?: (WireLogprob | null)[] | null;
}

interface WireDelta {
  content?: unknown;
  refusal?: unknown;
  reasoning_content?: unknown;
  reasoning?: unknown;
  tool_calls?: WireToolPiece[] | null;
}

interface WireUsage {
  prompt_tokens?: unknown;
  completion_tokens?: unknown;
  prompt_tokens_details?: { cached_tokens?: unknown } | null;
  completion_tokens_details?: { reasoning_tokens?: unknown } | null;
}

/** Most tokens in the place of one: OpenAI gives 20 at most. */
const maxAlternatives = 20;
/** Longest name a model may give itself. */
const maxModelName = 200;

/**
 * Reads the stream of POST /chat/completions. The answer is over with `[DONE]`; a stream that ends without it is whole
 * when a finish reason came. Usage is taken wherever it stands; the last one counts.
 */
export function createChatReplyReader(reading: Reading): ReplyReader {
  return createEventReader(createChunkForm(reading), reading);
}

/** Reads an answer that is not streamed: one JSON document, a completion or an error. */
export function createCompletionReader(reading: Reading): ReplyReader {
  return createDocumentReader(createChunkForm(reading), reading);
}

function createChunkForm(reading: Reading): AnswerForm {
  let finish: FinishReason | null = null;
  let isNamed = false;
  const tools = new ToolPieces();
  return {
    endMark: '[DONE]',
    finish: () => finish,
    take(part, events, name) {
      if (name === 'error' || holdsError(part)) throw new ReplyFault(readEventError(part, reading));
      const chunk = part as WireChunk;
      if (!isNamed && typeof chunk.model === 'string' && chunk.model !== '') {
        isNamed = true;
        events.push({ type: 'model', model: chunk.model.slice(0, maxModelName) });
      }
      const choice = chunk.choices?.[0];
      if (choice) {
        readDelta(choice, events, tools);
        if (typeof choice.finish_reason === 'string') finish = toFinishReason(choice.finish_reason);
      }
      const usage = chunk.usage ?? chunk.x_groq?.usage ?? choice?.usage;
      if (usage) events.push({ type: 'usage', usage: toUsage(usage) });
      return false;
    },
    textAlone: (part) => textAlone(part as WireChunk),
  };
}

/** The text of a chunk that holds nothing else, its model's name aside; null when it holds more. */
function textAlone(chunk: WireChunk): string | null {
  const choice = chunk.choices?.[0];
  if (!choice || holdsError(chunk) || choice.delta?.tool_calls || choice.message?.tool_calls || typeof choice.finish_reason === 'string' || chunk.usage || chunk.x_groq?.usage || choice.usage) return null;
  const events: ReplyEvent[] = [];
  readDelta(choice, events, null);
  const [event] = events;
  return events.length === 1 && event?.type === 'text' && !event.isRefusal ? event.text : null;
}

/** @param tools null for a chunk that calls none */
function readDelta(choice: WireChoice, events: ReplyEvent[], tools: ToolPieces | null): void {
  const delta = choice.delta ?? choice.message;
  if (!delta) return;
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (typeof reasoning === 'string' && reasoning !== '') events.push({ type: 'reasoning', text: reasoning });
  if (typeof delta.content === 'string') {
    if (delta.content !== '') events.push({ type: 'text', text: delta.content });
  } else if (Array.isArray(delta.content)) readContentParts(delta.content, events);
  if (typeof delta.refusal === 'string' && delta.refusal !== '') events.push({ type: 'text', text: delta.refusal, isRefusal: true });
  if (choice.logprobs) readLogprobs(choice.logprobs.content ?? choice.logprobs.refusal, events);
  if (delta.tool_calls && tools) for (const piece of delta.tool_calls) events.push(tools.read(piece));
}

/** Mistral's models that reason send lists: of texts, and of thoughts that hold such lists themselves. */
function readContentParts(parts: readonly unknown[], events: ReplyEvent[], type: 'text' | 'reasoning' = 'text'): void {
  for (const part of parts) {
    const { text, thinking } = (part ?? {}) as { text?: unknown; thinking?: unknown };
    if (typeof text === 'string' && text !== '') events.push({ type, text });
    if (Array.isArray(thinking) && type === 'text') readContentParts(thinking, events, 'reasoning');
  }
}

/** Appends the log-probabilities of a chunk, where there are any. */
export function readLogprobs(entries: WireLogprob[] | null | undefined, events: ReplyEvent[]): void {
  if (!Array.isArray(entries) || entries.length === 0) return;
  const tokens: TokenLogprob[] = [];
  for (const entry of entries) {
    const token = toLogprob(entry);
    if (!token) continue;
    const others = Array.isArray(entry.top_logprobs) ? entry.top_logprobs.slice(0, maxAlternatives) : [];
    tokens.push({ ...token, top: others.flatMap((other) => toLogprob(other) ?? []) });
  }
  if (tokens.length > 0) events.push({ type: 'logprobs', tokens });
}

function toLogprob(entry: WireLogprob | null): Omit<TokenLogprob, 'top'> | null {
  if (typeof entry?.logprob !== 'number') return null;
  return { token: typeof entry.token === 'string' ? entry.token : '', logprob: entry.logprob, bytes: toBytes(entry.bytes) };
}

/** The bytes of a token: every entry is one, or they are not known. */
function toBytes(value: unknown): number[] | null {
  if (!Array.isArray(value)) return null;
  return value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255) ? (value as number[]) : null;
}

/** OpenAI's reason for the end of an answer, and those of servers like it. */
export function toFinishReason(reason: string): FinishReason {
  switch (reason) {
    case 'length':
    case 'max_tokens':
      return 'length';
    case 'tool_calls':
    case 'function_call':
      return 'tool';
    case 'content_filter':
      return 'content_filter';
    default:
      return 'stop';
  }
}

/** Usage as the service counts it; a figure that is none is left out. */
function toUsage(usage: WireUsage): Usage {
  return {
    ...count('tokensIn', usage.prompt_tokens),
    ...count('tokensOut', usage.completion_tokens),
    ...count('tokensReasoning', usage.completion_tokens_details?.reasoning_tokens),
    ...count('tokensCached', usage.prompt_tokens_details?.cached_tokens),
  };
}
