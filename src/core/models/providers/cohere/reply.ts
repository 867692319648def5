import { newId } from '../../../../base/ids.ts';
import type { FinishReason, ReplyEvent, TokenLogprob, Usage } from '../../types.ts';
import { count, createDocumentReader, createEventReader, ReplyFault, StreamFormError, tokenByText, type AnswerForm, type Reading, type ReplyReader } from '../../wire/index.ts';
import { brokenOff, wordsOf } from './errors.ts';

/** An event of a stream. Nothing in it is trusted to be there. */
interface WireEvent {
  type?: unknown;
  index?: unknown;
  delta?: { message?: WireDelta | null; finish_reason?: unknown; usage?: WireUsage | null; error?: unknown } | null;
  logprobs?: WireLogprobs | null;
}

interface WireDelta {
  content?: WireContent | null;
  tool_plan?: unknown;
  tool_calls?: WireCall | null;
}

/** A whole answer. */
interface WireAnswer {
  message?: { content?: (WireContent | null)[] | null; tool_plan?: unknown; tool_calls?: (WireCall | null)[] | null } | null;
  finish_reason?: unknown;
  usage?: WireUsage | null;
  logprobs?: (WireLogprobs | null)[] | null;
}

interface WireContent {
  text?: unknown;
  thinking?: unknown;
}

interface WireCall {
  id?: unknown;
  function?: { name?: unknown; arguments?: unknown } | null;
}

/** A piece of text and what is said of each of its tokens. */
interface WireLogprobs {
  text?: unknown;
  logprobs?: unknown;
}

interface WireUsage {
  billed_units?: WireTokens | null;
  tokens?: WireTokens | null;
  cached_tokens?: unknown;
}

interface WireTokens {
  input_tokens?: unknown;
  output_tokens?: unknown;
}

/** Most tool calls in one answer. */
const maxToolCalls = 128;

/** Reads the stream of POST /v2/chat. The answer is over with `message-end`. */
export function createChatReplyReader(reading: Reading): ReplyReader {
  return createEventReader(createStreamForm(reading), reading);
}

/** Reads the answer of POST /v2/chat without streaming. */
export function createChatReader(reading: Reading): ReplyReader {
  return createDocumentReader(createAnswerForm(reading), reading);
}

function createStreamForm(reading: Reading): AnswerForm {
  let finish: FinishReason | null = null;
  const calls = new ToolCalls();
  return {
    finish: () => finish,
    take(part, events) {
      const { type, index, delta, logprobs } = part as WireEvent;
      const message = delta?.message;
      switch (type) {
        case 'content-start':
        case 'content-delta':
          takeContent(message?.content, events);
          takeLogprobs([logprobs], events);
          return false;
        case 'tool-plan-delta':
          takeText('reasoning', message?.tool_plan, events);
          return false;
        case 'tool-call-start':
          calls.start(index, message?.tool_calls, events);
          return false;
        case 'tool-call-delta':
          calls.delta(index, message?.tool_calls, events);
          return false;
        case 'tool-call-end':
          calls.end(index, events);
          return false;
        case 'message-end':
          takeUsage(delta?.usage, events);
          finish = toFinishReason(delta?.finish_reason, delta?.error, reading);
          return true;
        default:
          // Beginnings and ends of what is told apart by other means, citations, and kinds of events yet to come.
          if (type === undefined) throw new ReplyFault(brokenOff(wordsOf(part), reading));
          return false;
      }
    },
    textAlone(part) {
      const { type, delta, logprobs } = part as WireEvent;
      const content = delta?.message?.content;
      return type === 'content-delta' && !logprobs && typeof content?.text === 'string' && content.thinking === undefined ? content.text : null;
    },
  };
}

function createAnswerForm(reading: Reading): AnswerForm {
  let finish: FinishReason | null = null;
  return {
    finish: () => finish,
    take(part, events) {
      const { message, finish_reason: reason, usage, logprobs } = part as WireAnswer;
      if (!message && reason === undefined) throw new ReplyFault(brokenOff(wordsOf(part), reading));
      takeText('reasoning', message?.tool_plan, events);
      for (const content of message?.content ?? []) takeContent(content, events);
      takeLogprobs(logprobs ?? [], events);
      const calls = new ToolCalls();
      for (const [index, call] of (message?.tool_calls ?? []).entries()) {
        calls.start(index, call, events);
        calls.end(index, events);
      }
      takeUsage(usage, events);
      if (reason !== undefined) finish = toFinishReason(reason, undefined, reading);
      return finish !== null;
    },
  };
}

/** Calls of tools, numbered in the order in which they begin. */
class ToolCalls {
  readonly #open = new Map<unknown, { number: number; hasArguments: boolean }>();
  #count = 0;

  /** @throws {StreamFormError} for more calls than anybody makes */
  start(index: unknown, call: WireCall | null | undefined, events: ReplyEvent[]): void {
    if (this.#count >= maxToolCalls) throw new StreamFormError(`more than ${maxToolCalls} tool calls`);
    const number = this.#count;
    this.#count += 1;
    const id = typeof call?.id === 'string' && call.id !== '' ? call.id : `call_${newId().replaceAll('-', '')}`;
    const name = call?.function?.name;
    this.#open.set(index, { number, hasArguments: false });
    events.push({ type: 'tool', index: number, id, name: typeof name === 'string' ? name : '', arguments: '' });
    this.delta(index, call, events);
  }

  /** @throws {StreamFormError} for a piece of a call that has not begun */
  delta(index: unknown, call: WireCall | null | undefined, events: ReplyEvent[]): void {
    const open = this.#open.get(index);
    if (!open) throw new StreamFormError('a piece of a tool call that has not begun');
    const text = call?.function?.arguments;
    // A tool without arguments gets `null` from some models, and nothing from others.
    if (typeof text !== 'string' || text === '' || (text === 'null' && !open.hasArguments)) return;
    open.hasArguments = true;
    events.push({ type: 'tool', index: open.number, arguments: text });
  }

  end(index: unknown, events: ReplyEvent[]): void {
    const open = this.#open.get(index);
    this.#open.delete(index);
    if (open && !open.hasArguments) events.push({ type: 'tool', index: open.number, arguments: '{}' });
  }
}

function takeText(type: 'text' | 'reasoning', text: unknown, events: ReplyEvent[]): void {
  if (typeof text === 'string' && text !== '') events.push({ type, text });
}

function takeContent(content: WireContent | null | undefined, events: ReplyEvent[]): void {
  takeText('reasoning', content?.thinking, events);
  takeText('text', content?.text, events);
}

/**
 * A piece of text may be of several tokens, whose own texts are not told: the first of them stands for the whole piece,
 * and the others have figures alone.
 */
function takeLogprobs(pieces: readonly (WireLogprobs | null | undefined)[], events: ReplyEvent[]): void {
  const tokens: TokenLogprob[] = pieces.flatMap((piece) => (Array.isArray(piece?.logprobs) ? piece.logprobs : []).flatMap((logprob: unknown, index) => {
    const token = tokenByText(index === 0 ? piece?.text : '', logprob);
    return token ? [{ ...token, ...(index === 0 ? {} : { bytes: null }), top: [] }] : [];
  }));
  if (tokens.length > 0) events.push({ type: 'logprobs', tokens });
}

/**
 * What is billed: the other figures count instructions of the service's own, too, by hundreds of tokens, which nobody
 * sent or pays. What came from its cache is told for those alone, so it is left out with them.
 */
function takeUsage(usage: WireUsage | null | undefined, events: ReplyEvent[]): void {
  const billed = usage?.billed_units;
  const hasBilled = typeof billed?.input_tokens === 'number' || typeof billed?.output_tokens === 'number';
  const tokens = hasBilled ? billed : usage?.tokens;
  const found: Usage = {
    ...count('tokensIn', tokens?.input_tokens), ...count('tokensOut', tokens?.output_tokens), ...(hasBilled ? {} : count('tokensCached', usage?.cached_tokens)),
  };
  if (Object.keys(found).length > 0) events.push({ type: 'usage', usage: found });
}

/** @throws {ReplyFault} for ends that are faults of the service */
function toFinishReason(reason: unknown, error: unknown, reading: Reading): FinishReason {
  switch (reason) {
    case 'MAX_TOKENS':
      return 'length';
    case 'TOOL_CALL':
      return 'tool';
    case 'ERROR_TOXIC':
      return 'content_filter';
    case 'TIMEOUT':
      throw new ReplyFault({ code: 'provider_timeout', message: `${reading.label} took too long for this answer and broke it off.`, serviceFault: true });
    case 'ERROR':
    case 'ERROR_LIMIT':
      throw new ReplyFault(brokenOff(error, reading));
    default:
      return 'stop';
  }
}
