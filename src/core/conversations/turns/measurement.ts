import type { Clock } from '../../../base/clock.ts';
import type { FinishReason, ReplyError, ReplyEvent, ToolCall, Usage } from '../../models/index.ts';
import type { NewTurnEvent } from './journal.ts';

/** Longest answer kept, in UTF-16 units; a model that never stops is stopped here, with finish reason `length`. */
export const longestAnswer = 4_000_000;
/** Most tool calls of one answer. */
const mostToolCalls = 128;
/** More tokens than any call takes; what a service says beyond it is no figure. */
const mostTokens = 1_000_000_000;
/** Longest name of a model, UTF-16 units. */
const longestModel = 300;
/** Longest reason why a reply failed, UTF-16 units. */
const longestError = 4000;

/** How a reply ended. */
export type ReplyEnd = { reason: FinishReason } | { error: ReplyError };

/**
 * Takes the events of one reply as they come, makes them safe to store (no NUL, no half of a surrogate pair at the end
 * of a piece) and measures: this is the only place where the figures of an answer come from.
 */
export class ReplyMeasurement {
  text = '';
  reasoning = '';
  usage: Usage = {};
  readonly toolCalls: ToolCall[] = [];
  end: ReplyEnd | null = null;
  /** Full id of the model that spoke, when it is not the one that was asked (a fallback). */
  spokenModel: string | null = null;
  timeToFirstTokenMs: number | null = null;
  durationMs: number | null = null;

  private readonly clock: Clock;
  private readonly keptLength: number;
  private readonly keepsLogprobs: boolean;
  private readonly began: number;
  /** High surrogates kept back until their other half comes. */
  private heldText = '';
  private heldReasoning = '';
  private logprobSum = 0;
  private logprobCount = 0;

  /**
   * @param kept text the answer begins with already
   * @param keepsLogprobs whether someone asked for log-probabilities; else only the confidence is made of them
   */
  constructor(clock: Clock, kept = '', keepsLogprobs = false) {
    this.clock = clock;
    this.keepsLogprobs = keepsLogprobs;
    this.began = clock.monotonic();
    this.text = kept;
    this.keptLength = kept.length;
  }

  /** The text without what was kept from before. */
  get ownText(): string {
    return this.text.slice(this.keptLength);
  }

  /** Geometric mean of the token probabilities, 0 to 1; null when the model gave none. */
  get confidence(): number | null {
    return this.logprobCount === 0 ? null : Math.exp(this.logprobSum / this.logprobCount);
  }

  /** What goes into the turn log for these events. After `end` is set nothing more is taken. */
  take(batch: readonly ReplyEvent[]): NewTurnEvent[] {
    const events: NewTurnEvent[] = [];
    for (const event of batch) {
      if (this.end) break;
      this.takeOne(event, events);
    }
    return events;
  }

  private takeOne(event: ReplyEvent, events: NewTurnEvent[]): void {
    switch (event.type) {
      case 'text':
        this.takeText(event.text, events);
        break;
      case 'reasoning':
        this.takeReasoning(event.text, events);
        break;
      case 'tool':
        this.takeTool(event, events);
        break;
      case 'usage':
        this.usage = { ...this.usage, ...tokenCounts(event.usage) };
        events.push({ kind: 'usage', usage: this.usage });
        break;
      case 'model':
        this.spokenModel = safeText(event.model, longestModel);
        break;
      case 'logprobs':
        for (const { logprob } of event.tokens) this.logprobSum += logprob;
        this.logprobCount += event.tokens.length;
        if (this.keepsLogprobs) events.push({ kind: 'logprobs', tokens: event.tokens });
        break;
      case 'finish':
        this.close({ reason: event.reason }, events);
        break;
      case 'error':
        this.close({ error: { ...event.error, message: safeText(event.error.message, longestError) } }, events);
        break;
    }
  }

  /** Ends the reply from outside (cancelled, shut down, broken off); a piece held back becomes U+FFFD. */
  close(end: ReplyEnd, events: NewTurnEvent[] = []): NewTurnEvent[] {
    if (this.end) return events;
    if (this.heldReasoning) this.append('reasoning', '\ufffd', events);
    if (this.heldText) this.append('text', '\ufffd', events);
    this.heldReasoning = this.heldText = '';
    this.end = end;
    this.durationMs = Math.round(this.clock.monotonic() - this.began);
    return events;
  }

  private takeText(piece: string, events: NewTurnEvent[]): void {
    const { safe, held } = safePiece(this.heldText + piece);
    this.heldText = held;
    if (safe === '') return;
    this.firstToken();
    this.append('text', safe, events);
    if (this.text.length > longestAnswer) this.close({ reason: 'length' }, events);
  }

  private takeReasoning(piece: string, events: NewTurnEvent[]): void {
    const { safe, held } = safePiece(this.heldReasoning + piece);
    this.heldReasoning = held;
    if (safe === '') return;
    this.firstToken();
    this.append('reasoning', safe, events);
    if (this.reasoning.length > longestAnswer) this.close({ reason: 'length' }, events);
  }

  private takeTool(event: Extract<ReplyEvent, { type: 'tool' }>, events: NewTurnEvent[]): void {
    if (event.index >= mostToolCalls) return;
    this.firstToken();
    const call = (this.toolCalls[event.index] ??= { id: '', name: '', arguments: '' });
    const piece = event.arguments.replaceAll('\0', '\ufffd').toWellFormed();
    if (event.id) call.id = event.id;
    if (event.name) call.name = event.name;
    call.arguments += piece;
    events.push({ kind: 'tool', index: event.index, id: event.id, name: event.name, arguments: piece });
    if (call.arguments.length > longestAnswer) this.close({ reason: 'length' }, events);
  }

  private append(kind: 'text' | 'reasoning', piece: string, events: NewTurnEvent[]): void {
    this[kind] += piece;
    events.push({ kind, text: piece });
  }

  private firstToken(): void {
    this.timeToFirstTokenMs ??= Math.round((this.clock.monotonic() - this.began) * 100) / 100;
  }
}

/** The counts that can be stored: a service may say anything, and what cannot be a count is not known. */
export function tokenCounts(usage: Usage): Usage {
  return Object.fromEntries(Object.entries(usage).filter(([, tokens]) => isTokenCount(tokens)));
}

/** Whether this can be a number of tokens. */
export function isTokenCount(tokens: number | null | undefined): tokens is number {
  return typeof tokens === 'number' && Number.isInteger(tokens) && tokens >= 0 && tokens <= mostTokens;
}

/** Text without NUL and unpaired surrogates, cut where it is too long. */
function safeText(text: string, longest: number): string {
  return text.slice(0, longest).replaceAll('\0', '\ufffd').toWellFormed();
}

/** Text without NUL and unpaired surrogates; a high surrogate at its end is held back for the next piece. */
function safePiece(piece: string): { safe: string; held: string } {
  const last = piece.charCodeAt(piece.length - 1);
  const held = last >= 0xd800 && last <= 0xdbff ? piece.slice(-1) : '';
  const body = held ? piece.slice(0, -1) : piece;
  const clean = body.includes('\0') ? body.replaceAll('\0', '\ufffd') : body;
  return { safe: clean.isWellFormed() ? clean : clean.toWellFormed(), held };
}
