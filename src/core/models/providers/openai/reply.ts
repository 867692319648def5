import type { FinishReason, ReplyEvent, Usage } from '../../types.ts';
import { createSseParser, ReplyFault, StreamFormError, truncated, unreadable, type ReplyReader } from '../../wire/index.ts';
import { holdsError, readEventError, type ErrorReading } from './errors.ts';

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
  logprobs?: { content?: { logprob?: unknown }[] | null } | null;
  /** Moonshot's own place for usage. */
  usage?: WireUsage | null;
}

interface WireDelta {
  content?: unknown;
  refusal?: unknown;
  reasoning_content?: unknown;
  reasoning?: unknown;
  tool_calls?: { index?: unknown; id?: unknown; function?: { name?: unknown; arguments?: unknown } | null }[] | null;
}

interface WireUsage {
  prompt_tokens?: unknown;
  completion_tokens?: unknown;
  prompt_tokens_details?: { cached_tokens?: unknown } | null;
  completion_tokens_details?: { reasoning_tokens?: unknown } | null;
}

/** Longest event, in UTF-16 units: far beyond a token with its log-probabilities, small enough to hold. */
const maxEventLength = 4_194_304;
/** Most tool calls in one answer. */
const maxToolCalls = 128;
/** Longest name a model may give itself. */
const maxModelName = 200;

/**
 * Reads the stream of POST /chat/completions. The answer is over with `[DONE]`; a stream that ends without it is whole
 * when a finish reason came. Usage is taken wherever it stands; the last one counts.
 */
export function createChatReplyReader(reading: ErrorReading): ReplyReader {
  let events: ReplyEvent[] = [];
  let finish: FinishReason | null = null;
  let isOver = false;
  let isNamed = false;

  const onEvent = (data: string, name: string): void => {
    if (isOver) return;
    if (data === '[DONE]') {
      isOver = true;
      events.push({ type: 'finish', reason: finish ?? 'stop' });
      return;
    }
    const chunk = parse(data, reading);
    if (name === 'error' || holdsError(chunk)) throw new ReplyFault(readEventError(chunk, reading));
    if (!isNamed && typeof chunk.model === 'string' && chunk.model !== '') {
      isNamed = true;
      events.push({ type: 'model', model: chunk.model.slice(0, maxModelName) });
    }
    const choice = chunk.choices?.[0];
    if (choice) {
      readDelta(choice, events);
      if (typeof choice.finish_reason === 'string') finish = toFinishReason(choice.finish_reason);
    }
    const usage = chunk.usage ?? chunk.x_groq?.usage ?? choice?.usage;
    if (usage) events.push({ type: 'usage', usage: toUsage(usage) });
  };
  const parser = createSseParser(onEvent, maxEventLength);

  return {
    get isOver() { return isOver; },
    get isComplete() { return finish !== null; },
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

function readDelta(choice: WireChoice, events: ReplyEvent[]): void {
  const delta = choice.delta ?? choice.message;
  if (!delta) return;
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (typeof reasoning === 'string' && reasoning !== '') events.push({ type: 'reasoning', text: reasoning });
  if (typeof delta.content === 'string' && delta.content !== '') events.push({ type: 'text', text: delta.content });
  if (typeof delta.refusal === 'string' && delta.refusal !== '') events.push({ type: 'text', text: delta.refusal });
  if (choice.logprobs?.content?.length) {
    const tokens = choice.logprobs.content.flatMap((token) => (typeof token.logprob === 'number' ? [{ token: '', logprob: token.logprob, bytes: null, top: [] }] : []));
    if (tokens.length > 0) events.push({ type: 'logprobs', tokens });
  }
  delta.tool_calls?.forEach((call, position) => {
    const index = typeof call.index === 'number' ? call.index : position;
    if (!Number.isInteger(index) || index < 0 || index >= maxToolCalls) throw new StreamFormError(`a tool call with the number ${index}`);
    events.push({
      type: 'tool',
      index,
      ...(typeof call.id === 'string' && call.id !== '' ? { id: call.id } : {}),
      ...(typeof call.function?.name === 'string' && call.function.name !== '' ? { name: call.function.name } : {}),
      arguments: typeof call.function?.arguments === 'string' ? call.function.arguments : '',
    });
  });
}

function toFinishReason(reason: string): FinishReason {
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

/**
 * Reads the answer of a server that does not stream though it was asked to: one JSON document, a completion or an error.
 */
export function createCompletionReader(reading: ErrorReading): ReplyReader {
  const inner = createChatReplyReader(reading);
  const parts: Buffer[] = [];
  return {
    get isOver() { return inner.isOver; },
    get isComplete() { return inner.isComplete; },
    push(bytes) { parts.push(bytes); },
    end(events) {
      const document = Buffer.concat(parts).toString('utf8');
      if (/^\s*</.test(document) || document.trim() === '') throw new ReplyFault(unreadable(reading));
      inner.push(Buffer.from(`data: ${document.replace(/[\r\n]+/g, ' ')}\n\n`), events);
      inner.end(events);
    },
  };
}
