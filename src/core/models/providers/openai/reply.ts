import type { FinishReason, ReplyEvent, TokenLogprob, Usage } from '../../types.ts';
import { createSseParser, ReplyFault, StreamFormError, TextChunks, truncated, unreadable, type ReplyReader } from '../../wire/index.ts';
import { holdsError, readEventError, type ErrorReading } from './errors.ts';
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

/** Longest event, in UTF-16 units: far beyond a token with its log-probabilities, small enough to hold. */
const maxEventLength = 4_194_304;
/** Most tokens in the place of one: OpenAI gives 20 at most. */
const maxAlternatives = 20;
/** Longest name a model may give itself. */
const maxModelName = 200;

/** A reader that can also be handed a chunk that was parsed already. */
interface ChunkReader extends ReplyReader {
  take(chunk: WireChunk, into: ReplyEvent[]): void;
}

/**
 * Reads the stream of POST /chat/completions. The answer is over with `[DONE]`; a stream that ends without it is whole
 * when a finish reason came. Usage is taken wherever it stands; the last one counts.
 */
export function createChatReplyReader(reading: ErrorReading): ReplyReader {
  return createChunkReader(reading);
}

function createChunkReader(reading: ErrorReading): ChunkReader {
  let events: ReplyEvent[] = [];
  let finish: FinishReason | null = null;
  let isOver = false;
  let isNamed = false;

  const texts = new TextChunks();
  const tools = new ToolPieces();
  const takeChunk = (chunk: WireChunk): void => {
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
  };
  const onEvent = (data: string, name: string): void => {
    if (isOver) return;
    if (data === '[DONE]') {
      isOver = true;
      events.push({ type: 'finish', reason: finish ?? 'stop' });
      return;
    }
    const text = name === 'error' ? null : texts.textOf(data);
    if (text !== null) {
      events.push({ type: 'text', text });
      return;
    }
    const chunk = parse(data, reading);
    if (name === 'error' || holdsError(chunk)) throw new ReplyFault(readEventError(chunk, reading));
    const known = events.length;
    takeChunk(chunk);
    const only = events.length === known + 1 ? textAlone(chunk) : null;
    if (only !== null) texts.learn(data, only, (probe) => textAlone(parse(probe, reading)));
  };
  const parser = createSseParser(onEvent, maxEventLength);

  return {
    get isOver() { return isOver; },
    get isComplete() { return finish !== null; },
    take(chunk, into) {
      events = into;
      inForm(() => takeChunk(chunk), reading);
    },
    push(bytes, into) {
      events = into;
      inForm(() => parser.push(bytes), reading);
    },
    end(into) {
      events = into;
      if (isOver) return;
      try {
        inForm(() => parser.end(), reading);
      } catch (thrown) {
        // What the stream broke off in cannot be read: that is no news once the finish reason is known.
        const isHalf = thrown instanceof ReplyFault && thrown.cause instanceof SyntaxError;
        if (finish === null) throw isHalf ? new ReplyFault(truncated(reading.label), thrown) : thrown;
      }
      if (isOver) return;
      if (finish === null) throw new ReplyFault(truncated(reading.label));
      isOver = true;
      events.push({ type: 'finish', reason: finish });
    },
  };
}

/** Runs a step of reading; whatever it stumbles over is the service's fault, put into words. */
function inForm(step: () => void, reading: ErrorReading): void {
  try {
    step();
  } catch (thrown) {
    if (thrown instanceof ReplyFault) throw thrown;
    const error = unreadable(reading);
    if (thrown instanceof StreamFormError) error.message = `${reading.label} sent ${thrown.message}, which is no answer.`;
    throw new ReplyFault(error, thrown);
  }
}

function parse(data: string, reading: ErrorReading): WireChunk {
  const chunk: unknown = JSON.parse(data);
  if (typeof chunk !== 'object' || chunk === null) throw new ReplyFault(unreadable(reading));
  return chunk as WireChunk;
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
  if (typeof delta.content === 'string' && delta.content !== '') events.push({ type: 'text', text: delta.content });
  if (typeof delta.refusal === 'string' && delta.refusal !== '') events.push({ type: 'text', text: delta.refusal, isRefusal: true });
  if (choice.logprobs) readLogprobs(choice.logprobs.content ?? choice.logprobs.refusal, events);
  if (delta.tool_calls && tools) for (const piece of delta.tool_calls) events.push(tools.read(piece));
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

function count<Name extends keyof Usage>(name: Name, value: unknown): Usage {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? { [name]: value } : {};
}

/** Reads an answer that is not streamed: one JSON document, a completion or an error. */
export function createCompletionReader(reading: ErrorReading): ReplyReader {
  const inner = createChunkReader(reading);
  const parts: Buffer[] = [];
  return {
    get isOver() { return inner.isOver; },
    get isComplete() { return inner.isComplete; },
    push(bytes) { parts.push(bytes); },
    end(events) {
      const document = parts.length === 1 ? parts[0]!.toString('utf8') : Buffer.concat(parts).toString('utf8');
      const completion = parseDocument(document.charCodeAt(0) === 0xfeff ? document.slice(1) : document, reading);
      if (holdsError(completion)) throw new ReplyFault(readEventError(completion, reading));
      inner.take(completion, events);
      inner.end(events);
    },
  };
}

function parseDocument(document: string, reading: ErrorReading): WireChunk {
  try {
    return parse(document, reading);
  } catch (thrown) {
    throw thrown instanceof ReplyFault ? thrown : new ReplyFault(unreadable(reading), thrown);
  }
}
