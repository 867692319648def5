import type { ReplyEvent, TokenLogprob } from '../../../core/models/index.ts';
import type { CallItem, ItemStatus, LogprobObject, MessageItem, OutputItem, ReasoningItem } from './answer-schema.ts';
import { itemIds } from './ids.ts';

/** Told of every change of the output, as the events of the API have it; the deltas of texts by ways of their own. */
export interface OutputListener {
  tell(type: string, fields: () => Record<string, unknown>): void;
  /** A piece of the text of `item`, which stands at `outputIndex`. */
  text(item: MessageItem, outputIndex: number, delta: string, logprobs: LogprobObject[]): void;
  reasoning(item: ReasoningItem, outputIndex: number, delta: string): void;
}

/** Nobody listens: the output is read when it is complete. */
export const silentListener: OutputListener = { tell: () => undefined, text: () => undefined, reasoning: () => undefined };

/**
 * The output of one response, as it grows. A text or a reasoning is an item of its own until something else is said;
 * calls stay open until the end, because their pieces may come in turns.
 */
export class OutputBuilder {
  readonly items: OutputItem[] = [];
  private readonly answerId: string;
  private readonly listener: OutputListener;
  private open: { item: MessageItem | ReasoningItem; index: number } | null = null;
  private readonly calls = new Map<number, { item: CallItem; index: number }>();
  private readonly announced = new Set<CallItem>();
  private readonly counts = { message: 0, reasoning: 0 };
  /** Of tokens whose text has not been told yet. */
  private waiting: LogprobObject[] = [];

  constructor(answerId: string, listener: OutputListener = silentListener) {
    this.answerId = answerId;
    this.listener = listener;
  }

  text(delta: string): void {
    const { item, index } = this.open?.item.type === 'message' ? this.open : this.openMessage();
    const part = (item as MessageItem).content[0]!;
    part.text += delta;
    const logprobs = this.waiting;
    if (logprobs.length > 0) {
      this.waiting = [];
      part.logprobs!.push(...logprobs);
    }
    this.listener.text(item as MessageItem, index, delta, logprobs);
  }

  reasoning(delta: string): void {
    const { item, index } = this.open?.item.type === 'reasoning' ? this.open : this.openReasoning();
    (item as ReasoningItem).content[0]!.text += delta;
    this.listener.reasoning(item as ReasoningItem, index, delta);
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

  private openMessage(): { item: MessageItem; index: number } {
    this.closeText('completed');
    this.counts.message += 1;
    const item: MessageItem = { id: itemIds.message(this.answerId, this.counts.message), type: 'message', status: 'in_progress', role: 'assistant', content: [] };
    const index = this.add(item);
    item.content.push({ type: 'output_text', text: '', annotations: [], logprobs: [] });
    this.tellPart('response.content_part.added', item, index);
    this.open = { item, index };
    return { item, index };
  }

  private openReasoning(): { item: ReasoningItem; index: number } {
    this.closeText('completed');
    this.counts.reasoning += 1;
    const item: ReasoningItem = { id: itemIds.reasoning(this.answerId, this.counts.reasoning), type: 'reasoning', status: 'in_progress', summary: [], content: [] };
    const index = this.add(item);
    item.content.push({ type: 'reasoning_text', text: '' });
    this.tellPart('response.content_part.added', item, index);
    this.open = { item, index };
    return { item, index };
  }

  private openCall(place: number): { item: CallItem; index: number } {
    this.closeText('completed');
    const item: CallItem = { id: itemIds.call(this.answerId, this.calls.size), type: 'function_call', status: 'in_progress', call_id: '', name: '', arguments: '' };
    const call = { item, index: this.items.push(item) - 1 };
    this.calls.set(place, call);
    return call;
  }

  private add(item: MessageItem | ReasoningItem): number {
    const index = this.items.push(item) - 1;
    this.listener.tell('response.output_item.added', () => ({ output_index: index, item }));
    return index;
  }

  private tellPart(type: string, item: MessageItem | ReasoningItem, index: number): void {
    this.listener.tell(type, () => ({ item_id: item.id, output_index: index, content_index: 0, part: item.content[0]! }));
  }

  private closeText(status: ItemStatus): void {
    if (!this.open) return;
    const { item, index } = this.open;
    this.open = null;
    item.status = status;
    const place = { item_id: item.id, output_index: index, content_index: 0 };
    if (item.type === 'message') {
      const part = item.content[0]!;
      part.logprobs!.push(...this.waiting.splice(0));
      this.listener.tell('response.output_text.done', () => ({ ...place, text: part.text, logprobs: part.logprobs! }));
    } else {
      this.listener.tell('response.reasoning_text.done', () => ({ ...place, text: item.content[0]!.text }));
    }
    this.tellPart('response.content_part.done', item, index);
    this.listener.tell('response.output_item.done', () => ({ output_index: index, item }));
  }
}
