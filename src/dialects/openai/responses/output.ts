import type { ReplyEvent, TokenLogprob } from '../../../core/models/index.ts';
import type { CallItem, ItemStatus, LogprobObject, MessageItem, OutputItem, ReasoningItem, TextPart } from './answer-schema.ts';
import { itemIds } from './ids.ts';

/** What a model says in words. A refusal is told apart where the service of the model does. */
export type Spoken = 'text' | 'refusal' | 'reasoning';

/** The names that each kind has in the API. */
const forms = {
  text: { item: 'message', field: 'text', part: (): TextPart => ({ type: 'output_text', text: '', annotations: [], logprobs: [] }), events: 'response.output_text' },
  refusal: { item: 'message', field: 'refusal', part: (): TextPart => ({ type: 'refusal', refusal: '' }), events: 'response.refusal' },
  reasoning: { item: 'reasoning', field: 'text', part: (): TextPart => ({ type: 'reasoning_text', text: '' }), events: 'response.reasoning_text' },
} as const;

/** Told of every change of the output, as the events of the API have it; the pieces of texts by a way of their own. */
export interface OutputListener {
  tell(type: string, fields: () => Record<string, unknown>): void;
  /** A piece of `item`, which stands at `outputIndex`; `logprobs` are null where the event has none. */
  delta(type: string, item: MessageItem | ReasoningItem, outputIndex: number, delta: string, logprobs: LogprobObject[] | null): void;
}

/** Nobody listens: the output is read when it is complete. */
export const silentListener: OutputListener = { tell: () => undefined, delta: () => undefined };

/** The words that are being said. */
interface Open {
  kind: Spoken;
  item: MessageItem | ReasoningItem;
  index: number;
  said: string;
}

/**
 * The output of one response, as it grows. A text or a reasoning is an item of its own until something else is said;
 * calls stay open until the end, because their pieces may come in turns.
 */
export class OutputBuilder {
  readonly items: OutputItem[] = [];
  private readonly answerId: string;
  private readonly listener: OutputListener;
  private open: Open | null = null;
  private readonly calls = new Map<number, { item: CallItem; index: number }>();
  private readonly announced = new Set<CallItem>();
  private readonly counts = { message: 0, reasoning: 0 };
  /** Of tokens whose text has not been told yet. */
  private waiting: LogprobObject[] = [];

  constructor(answerId: string, listener: OutputListener = silentListener) {
    this.answerId = answerId;
    this.listener = listener;
  }

  say(kind: Spoken, delta: string): void {
    const open = this.open?.kind === kind ? this.open : this.begin(kind);
    open.said += delta;
    const logprobs = kind === 'text' ? this.waiting : null;
    if (logprobs && logprobs.length > 0) {
      this.waiting = [];
      (open.item.content[0] as Extract<TextPart, { type: 'output_text' }>).logprobs!.push(...logprobs);
    }
    this.listener.delta(`${forms[kind].events}.delta`, open.item, open.index, delta, logprobs);
  }

  /** Log-probabilities go with the next piece of text, or with the end of the text. */
  logprobs(tokens: readonly TokenLogprob[]): void {
    for (const { token, logprob, bytes, top } of tokens) this.waiting.push({ token, logprob, bytes, top_logprobs: top });
  }

  tool(piece: Extract<ReplyEvent, { type: 'tool' }>): void {
    const { item, index } = this.calls.get(piece.index) ?? this.openCall(piece.index);
    item.call_id ||= piece.id ?? '';
    item.name ||= piece.name ?? '';
    this.announce(item, index);
    if (piece.arguments === '') return;
    item.arguments += piece.arguments;
    this.listener.tell('response.function_call_arguments.delta', () => ({ item_id: item.id, output_index: index, delta: piece.arguments }));
  }

  /** Nothing more comes: what is open is closed. */
  close(status: ItemStatus): void {
    this.closeText(status);
    for (const { item, index } of this.calls.values()) {
      this.announce(item, index);
      item.status = status;
      this.listener.tell('response.function_call_arguments.done', () => ({ item_id: item.id, output_index: index, name: item.name, arguments: item.arguments }));
      this.listener.tell('response.output_item.done', () => ({ output_index: index, item }));
    }
  }

  /** With its first piece, which names it. */
  private announce(item: CallItem, index: number): void {
    if (this.announced.has(item)) return;
    this.announced.add(item);
    this.listener.tell('response.output_item.added', () => ({ output_index: index, item: { ...item } }));
  }

  private begin(kind: Spoken): Open {
    this.closeText('completed');
    const { item: type, part } = forms[kind];
    this.counts[type] += 1;
    const id = itemIds[type](this.answerId, this.counts[type]);
    const item = (type === 'message' ? { id, type, status: 'in_progress', role: 'assistant', content: [] } : { id, type, status: 'in_progress', summary: [], content: [] }) as MessageItem | ReasoningItem;
    const index = this.items.push(item) - 1;
    this.listener.tell('response.output_item.added', () => ({ output_index: index, item }));
    (item.content as TextPart[]).push(part());
    this.tellPart('response.content_part.added', item, index);
    this.open = { kind, item, index, said: '' };
    return this.open;
  }

  private openCall(place: number): { item: CallItem; index: number } {
    this.closeText('completed');
    const item: CallItem = { id: itemIds.call(this.answerId, this.calls.size), type: 'function_call', status: 'in_progress', call_id: '', name: '', arguments: '' };
    const call = { item, index: this.items.push(item) - 1 };
    this.calls.set(place, call);
    return call;
  }

  private tellPart(type: string, item: MessageItem | ReasoningItem, index: number): void {
    this.listener.tell(type, () => ({ item_id: item.id, output_index: index, content_index: 0, part: item.content[0]! }));
  }

  private closeText(status: ItemStatus): void {
    if (!this.open) return;
    const { kind, item, index, said } = this.open;
    const { field, events } = forms[kind];
    this.open = null;
    item.status = status;
    const part = Object.assign(item.content[0]!, { [field]: said });
    if (part.type === 'output_text') part.logprobs!.push(...this.waiting.splice(0));
    const logprobs = part.type === 'output_text' ? { logprobs: part.logprobs! } : {};
    this.listener.tell(`${events}.done`, () => ({ item_id: item.id, output_index: index, content_index: 0, [field]: said, ...logprobs }));
    this.tellPart('response.content_part.done', item, index);
    this.listener.tell('response.output_item.done', () => ({ output_index: index, item }));
  }
}
