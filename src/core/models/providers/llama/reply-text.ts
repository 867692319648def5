import type { LlamaModel, Token } from 'node-llama-cpp';
import type { ReplyEvent } from '../../types.ts';
import type { TokenTexts } from './engine.ts';
import { LogprobQueue, tokenLogprob } from './logprobs.ts';
import type { Prompt } from './messages.ts';
import { createReasoningFilter, createStopFilter, type Piece, type ReasoningFilter, type StopFilter } from './text-filters.ts';

/** Turns the tokens of one answer into text and reasoning. */
export interface ReplyText {
  /**
   * Takes the next token: whether the answer goes on, ends here by a stop text or an end token, or calls a tool.
   * @param likeliest all tokens with their probabilities, where figures were asked for
   */
  take(token: Token, likeliest?: ReadonlyMap<Token, number>): 'more' | 'end' | 'call';
  /** After `call`: the tokens to put in the place of the one taken, so that the text ends with the mark of the call. */
  readonly calling: Token[];
  /** The answer has ended for another reason: shows what was held back. */
  finish(): void;
  /** Tokens taken, the end token not counted. */
  readonly tokens: number;
  readonly reasoningTokens: number;
}

/** A character has at most four bytes, so it is complete after as many tokens; more mean that the bytes are no text. */
const mostPending = 8;
/** What stands for bytes that are no text, or not yet. */
const replacement = '\ufffd';
/** Tokens before a piece that the tokenizer looks at to decide about blanks. */
const contextTokens = 3;

export interface ReplyTextOptions {
  model: LlamaModel;
  texts: TokenTexts;
  prompt: Prompt;
  stops: readonly string[];
  /** The text that begins a call; null when no tools may be called by choice. */
  trigger: string | null;
  /** Alternatives to tell with the log-probabilities; null when none were asked for. */
  logprobs: number | null;
  push(event: ReplyEvent): void;
}

export function createReplyText(options: ReplyTextOptions): ReplyText {
  return new TokenReader(options);
}

class TokenReader implements ReplyText {
  readonly #model: LlamaModel;
  readonly #texts: TokenTexts;
  readonly #prompt: Prompt;
  readonly #push: (event: ReplyEvent) => void;
  readonly #reasoning: ReasoningFilter;
  readonly #trigger: StopFilter;
  readonly #stop: StopFilter;
  readonly #marks: ReadonlyMap<Token, string>;
  readonly #top: number | null;
  readonly #figures: LogprobQueue;
  readonly #before: Token[];
  readonly #pending: Token[] = [];
  /** The token before printed something: then the text of this one does not depend on what it was. */
  #inText = false;
  #dropsBlanks: boolean;
  /** Characters of the answer that reached the stop filter, and that came out of it. */
  #read = 0;
  #shown = 0;
  #behindTrigger: string | null = null;
  tokens = 0;
  reasoningTokens = 0;
  calling: Token[] = [];

  constructor({ model, texts, prompt, stops, trigger, logprobs, push }: ReplyTextOptions) {
    this.#model = model;
    this.#texts = texts;
    this.#prompt = prompt;
    this.#push = push;
    this.#reasoning = createReasoningFilter(prompt.reasoning, prompt.startsInReasoning);
    this.#trigger = createStopFilter(trigger === null ? [] : [trigger]);
    this.#stop = createStopFilter([...stops, ...prompt.endTexts]);
    this.#marks = new Map([...(prompt.reasoning?.hidden ?? []), ...(trigger === null ? [] : hiddenTokens(model, trigger))]);
    this.#top = logprobs;
    this.#figures = new LogprobQueue(push);
    this.#before = prompt.tokens.slice(-contextTokens);
    this.#dropsBlanks = prompt.dropsLeadingBlanks;
  }

  take(token: Token, likeliest?: ReadonlyMap<Token, number>): 'more' | 'end' | 'call' {
    if (this.#prompt.endTokens.has(token)) {
      this.finish();
      return 'end';
    }
    this.tokens += 1;
    const mark = this.#marks.size === 0 ? undefined : this.#marks.get(token);
    const before = this.#top === null ? [] : this.#before.slice();
    const text = mark === undefined ? this.#add(token) : this.#flush() + mark;
    const goesOn = text === '' || this.#show(this.#reasoning.push(text));
    if (this.#reasoning.reasoning) this.reasoningTokens += 1;
    else if (this.#top !== null && likeliest !== undefined && mark === undefined) {
      this.#figures.add(this.#read, tokenLogprob(this.#model, token, likeliest, this.#top, before));
    }
    if (this.#behindTrigger !== null) return this.#call(token, text);
    if (this.#top !== null) this.#figures.shown(this.#shown);
    return goesOn ? 'more' : 'end';
  }

  finish(): void {
    const pieces = this.#reasoning.push(this.#flush());
    if (!this.#show(pieces) || !this.#show(this.#reasoning.rest()) || !this.#showText(this.#trigger.rest())) return;
    const rest = this.#stop.rest();
    this.#emit(rest);
    this.#figures.shown(this.#read);
  }

  /** The model began to call a tool. What it wrote behind the mark with the same token does not count. */
  #call(token: Token, text: string): 'call' {
    this.#emit(this.#stop.rest());
    this.#figures.shown(this.#shown);
    const behind = this.#behindTrigger!;
    this.calling = behind === '' ? [token] : this.#model.tokenize(text.slice(0, Math.max(0, text.length - behind.length)), true);
    return 'call';
  }

  /** The text that became complete with this token; empty while a character is incomplete. */
  #add(token: Token): string {
    const isAlone = this.#pending.length === 0;
    const known = isAlone && this.#inText ? this.#texts.get(token) : undefined;
    this.#pending.push(token);
    const text = known ?? this.#model.detokenize(this.#pending, false, this.#before);
    if (known === undefined && text.endsWith(replacement) && this.#pending.length < mostPending) return '';
    if (known === undefined && isAlone && this.#inText && !text.includes(replacement)) this.#texts.set(token, text);
    this.#remember();
    this.#inText = text !== '';
    return text;
  }

  #flush(): string {
    const text = this.#pending.length === 0 ? '' : this.#model.detokenize(this.#pending, false, this.#before);
    this.#remember();
    this.#inText = false;
    return text;
  }

  #remember(): void {
    for (const token of this.#pending) this.#before.push(token);
    if (this.#before.length > contextTokens) this.#before.splice(0, this.#before.length - contextTokens);
    this.#pending.length = 0;
  }

  /** False when a stop text or the beginning of a call came. */
  #show(pieces: readonly Piece[]): boolean {
    for (const piece of pieces) {
      if (piece.type === 'reasoning') {
        this.#push({ type: 'reasoning', text: piece.text });
        continue;
      }
      const free = this.#trigger.push(piece.text);
      if (!this.#showText(free.text)) return false;
      if (!free.stopped) continue;
      this.#behindTrigger = free.after ?? '';
      return false;
    }
    return true;
  }

  /** False when a stop text came. */
  #showText(text: string): boolean {
    if (text === '') return true;
    this.#read += text.length;
    const visible = this.#stop.push(text);
    this.#emit(visible.text);
    return !visible.stopped;
  }

  #emit(text: string): void {
    this.#shown += text.length;
    const shown = this.#dropsBlanks ? text.trimStart() : text;
    if (shown === '') return;
    this.#dropsBlanks = false;
    this.#push({ type: 'text', text: shown });
  }
}

/** Tokens of a mark that print nothing by themselves, with their text. */
export function hiddenTokens(model: LlamaModel, mark: string): [Token, string][] {
  return model
    .tokenize(mark, true)
    .filter((token) => model.detokenize([token], false) === '')
    .map((token) => [token, model.detokenize([token], true)]);
}
