import { newId } from '../../../../base/ids.ts';
import type { FinishReason, ReplyEvent, Usage } from '../../types.ts';
import { createDocumentReader, createEventReader, ReplyFault, StreamFormError, type Reading, type ReplyReader } from '../../wire/index.ts';
import { readEventError } from './errors.ts';

/** What an answer is read with. */
export interface ReplyReading extends Reading {
  /** White space that the answer was to begin behind and that could not be sent: the model says it again. */
  blankEnd: string;
}

/** An event of a stream. Nothing in it is trusted to be there. */
interface WireEvent {
  type?: unknown;
  index?: unknown;
  message?: WireMessage | null;
  content_block?: WireBlock | null;
  delta?: WireDelta | null;
  usage?: WireUsage | null;
}

/** A whole answer; in a stream its beginning. */
interface WireMessage {
  model?: unknown;
  content?: (WireBlock | null)[] | null;
  stop_reason?: unknown;
  stop_details?: { explanation?: unknown } | null;
  usage?: WireUsage | null;
}

interface WireBlock {
  type?: unknown;
  text?: unknown;
  thinking?: unknown;
  id?: unknown;
  name?: unknown;
  input?: unknown;
}

interface WireDelta {
  type?: unknown;
  text?: unknown;
  thinking?: unknown;
  partial_json?: unknown;
  stop_reason?: unknown;
  stop_details?: { explanation?: unknown } | null;
}

interface WireUsage {
  input_tokens?: unknown;
  cache_creation_input_tokens?: unknown;
  cache_read_input_tokens?: unknown;
  output_tokens?: unknown;
  output_tokens_details?: { thinking_tokens?: unknown } | null;
}

/** Longest name a model may give itself. */
const maxModelName = 200;
/** Most tool calls in one answer. */
const maxToolCalls = 128;

/** A call of a tool that is being read. */
interface OpenCall {
  number: number;
  /** Arguments that came with the beginning of the block: they count where no pieces follow. */
  input: string;
  hasPieces: boolean;
}

/** What both forms of an answer say, turned into events as it comes. */
class MessageEvents {
  #blank: string;
  #usage: WireUsage = {};
  #calls = 0;
  #hasText = false;
  /** The calls under way, by the number of their block. */
  readonly #open = new Map<number, OpenCall>();
  finish: FinishReason | null = null;

  constructor(reading: ReplyReading) {
    this.#blank = reading.blankEnd;
  }

  start(message: WireMessage, events: ReplyEvent[]): void {
    if (typeof message.model === 'string' && message.model !== '') events.push({ type: 'model', model: message.model.slice(0, maxModelName) });
    if (!message.usage) return;
    // What was made so far is a few tokens: for an answer that is broken off that would be a wrong figure, so it is left out.
    const { output_tokens: _, ...sent } = message.usage;
    this.usage(sent, events);
  }

  /** Figures add up: each report holds those that have changed. */
  usage(usage: WireUsage | null | undefined, events: ReplyEvent[]): void {
    if (!usage) return;
    for (const [name, value] of Object.entries(usage)) if (value !== null) this.#usage = { ...this.#usage, [name]: value as unknown };
    const found = toUsage(this.#usage);
    if (Object.keys(found).length > 0) events.push({ type: 'usage', usage: found });
  }

  block(index: number, block: WireBlock, events: ReplyEvent[]): void {
    if (block.type === 'text') this.text(block.text, events);
    if (block.type === 'thinking') reason(block.thinking, events);
    if (block.type !== 'tool_use') return;
    if (this.#calls >= maxToolCalls) throw new StreamFormError(`more than ${maxToolCalls} tool calls`);
    const number = this.#calls;
    this.#calls += 1;
    this.#open.set(index, { number, input: JSON.stringify(block.input ?? {}), hasPieces: false });
    events.push({ type: 'tool', index: number, id: typeof block.id === 'string' && block.id !== '' ? block.id : `toolu_${newId().replaceAll('-', '')}`, name: typeof block.name === 'string' ? block.name : '', arguments: '' });
  }

  delta(index: number, delta: WireDelta, events: ReplyEvent[]): void {
    if (delta.type === 'text_delta') this.text(delta.text, events);
    if (delta.type === 'thinking_delta') reason(delta.thinking, events);
    if (delta.type !== 'input_json_delta' || typeof delta.partial_json !== 'string' || delta.partial_json === '') return;
    const call = this.#open.get(index);
    if (!call) throw new StreamFormError('a piece of a tool call that has not begun');
    call.hasPieces = true;
    events.push({ type: 'tool', index: call.number, arguments: delta.partial_json });
  }

  /** The end of a block. A tool without arguments has no pieces: it gets the empty object, which is JSON. */
  stopBlock(index: number, events: ReplyEvent[]): void {
    const call = this.#open.get(index);
    this.#open.delete(index);
    if (call && !call.hasPieces) events.push({ type: 'tool', index: call.number, arguments: call.input });
  }

  stop(reason: unknown, details: { explanation?: unknown } | null | undefined, events: ReplyEvent[]): void {
    if (typeof reason !== 'string') return;
    this.finish = toFinishReason(reason);
    const words = details?.explanation;
    // A model that declines may say why beside its answer instead of in it.
    if (reason === 'refusal' && !this.#hasText && typeof words === 'string' && words !== '') events.push({ type: 'text', text: words, isRefusal: true });
  }

  text(text: unknown, events: ReplyEvent[]): void {
    const rest = typeof text === 'string' ? this.#withoutBlank(text) : '';
    if (rest === '') return;
    this.#hasText = true;
    events.push({ type: 'text', text: rest });
  }

  /** Leaves out the white space that stands at the end of the text before. */
  #withoutBlank(text: string): string {
    let at = 0;
    while (this.#blank !== '' && at < text.length) {
      const isRepeated = text[at] === this.#blank[0];
      this.#blank = isRepeated ? this.#blank.slice(1) : '';
      if (isRepeated) at += 1;
    }
    return at === 0 ? text : text.slice(at);
  }
}

function reason(text: unknown, events: ReplyEvent[]): void {
  if (typeof text === 'string' && text !== '') events.push({ type: 'reasoning', text });
}

/**
 * Reads the stream of POST /v1/messages. The answer is over with `message_stop`; a stream that ends without it is whole
 * when a reason to stop came. Events of unknown kinds are passed over, as the service asks of its clients.
 */
export function createMessageReplyReader(reading: ReplyReading): ReplyReader {
  const message = new MessageEvents(reading);
  return createEventReader({
    finish: () => message.finish,
    take(part, events) {
      const event = part as WireEvent;
      takeEvent(event, message, events, reading);
      return event.type === 'message_stop';
    },
    textAlone: (part) => textAlone(part as WireEvent),
    takeText: (text, events) => message.text(text, events),
  }, reading);
}

/** Reads an answer that is not streamed: one JSON document, a message or an error. */
export function createMessageReader(reading: ReplyReading): ReplyReader {
  const message = new MessageEvents(reading);
  return createDocumentReader({
    finish: () => message.finish,
    take(part, events) {
      if ((part as WireEvent).type === 'error') throw new ReplyFault(readEventError(part, reading));
      takeMessage(part as WireMessage, message, events);
      return true;
    },
  }, reading);
}

function takeEvent(event: WireEvent, message: MessageEvents, events: ReplyEvent[], reading: Reading): void {
  const index = typeof event.index === 'number' ? event.index : -1;
  switch (event.type) {
    case 'message_start':
      if (event.message) message.start(event.message, events);
      return;
    case 'content_block_start':
      if (event.content_block) message.block(index, event.content_block, events);
      return;
    case 'content_block_delta':
      if (event.delta) message.delta(index, event.delta, events);
      return;
    case 'content_block_stop':
      return message.stopBlock(index, events);
    case 'message_delta':
      message.usage(event.usage, events);
      return message.stop(event.delta?.stop_reason, event.delta?.stop_details, events);
    case 'error':
      throw new ReplyFault(readEventError(event, reading));
    default:
  }
}

/** The text of an event that holds nothing else; null for all others. */
function textAlone({ type, delta }: WireEvent): string | null {
  return type === 'content_block_delta' && delta?.type === 'text_delta' && typeof delta.text === 'string' ? delta.text : null;
}

function toFinishReason(reason: string): FinishReason {
  switch (reason) {
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length';
    case 'tool_use':
      return 'tool';
    case 'refusal':
      return 'content_filter';
    default:
      return 'stop';
  }
}

/** Usage as the service counts it: what was read from its cache and written to it was sent, too. */
function toUsage(usage: WireUsage): Usage {
  const read = countOf(usage.cache_read_input_tokens);
  const fresh = countOf(usage.input_tokens);
  const made = countOf(usage.output_tokens);
  const thought = countOf(usage.output_tokens_details?.thinking_tokens);
  return {
    ...(fresh === null ? {} : { tokensIn: fresh + (read ?? 0) + (countOf(usage.cache_creation_input_tokens) ?? 0) }),
    ...(made === null ? {} : { tokensOut: made }),
    ...(thought === null ? {} : { tokensReasoning: thought }),
    ...(read === null ? {} : { tokensCached: read }),
  };
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : null;
}

function takeMessage(document: WireMessage, message: MessageEvents, events: ReplyEvent[]): void {
  const { usage, ...beginning } = document;
  message.start(beginning, events);
  const blocks = Array.isArray(document.content) ? document.content : [];
  for (const [index, block] of blocks.entries()) {
    if (!block) continue;
    message.block(index, block, events);
    message.stopBlock(index, events);
  }
  message.usage(usage, events);
  message.stop(document.stop_reason, document.stop_details, events);
}
