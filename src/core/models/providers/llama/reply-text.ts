import type { LlamaModel, Token } from 'node-llama-cpp';
import type { ReplyEvent } from '../../types.ts';
import type { TokenTexts } from './engine.ts';
import type { Prompt } from './messages.ts';
import { createReasoningFilter, createStopFilter, type Piece, type ReasoningFilter, type StopFilter } from './text-filters.ts';

/** Turns the tokens of one answer into text and reasoning. */
export interface ReplyText {
  /** Takes the next token. False when the answer ends here: a stop text or an end token came. */
  take(token: Token): boolean;
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

export function createReplyText(
  model: LlamaModel,
  texts: TokenTexts,
  prompt: Prompt,
  stops: readonly string[],
  push: (event: ReplyEvent) => void,
): ReplyText {
  return new TokenReader(model, texts, prompt, stops, push);
}

class TokenReader implements ReplyText {
  readonly #model: LlamaModel;
  readonly #texts: TokenTexts;
  readonly #prompt: Prompt;
  readonly #push: (event: ReplyEvent) => void;
  readonly #reasoning: ReasoningFilter;
  readonly #stop: StopFilter;
  readonly #before: Token[];
  readonly #pending: Token[] = [];
  /** The token before printed something: then the text of this one does not depend on what it was. */
  #inText = false;
  #dropsBlanks: boolean;
  tokens = 0;
  reasoningTokens = 0;

  constructor(model: LlamaModel, texts: TokenTexts, prompt: Prompt, stops: readonly string[], push: (event: ReplyEvent) => void) {
    this.#model = model;
    this.#texts = texts;
    this.#prompt = prompt;
    this.#push = push;
    this.#reasoning = createReasoningFilter(prompt.reasoning, prompt.startsInReasoning);
    this.#stop = createStopFilter([...stops, ...prompt.endTexts]);
    this.#before = prompt.tokens.slice(-contextTokens);
    this.#dropsBlanks = prompt.dropsLeadingBlanks;
  }

  take(token: Token): boolean {
    if (this.#prompt.endTokens.has(token)) {
      this.finish();
      return false;
    }
    this.tokens += 1;
    const mark = this.#prompt.reasoning?.hidden.get(token);
    const text = mark === undefined ? this.#add(token) : this.#flush() + mark;
    const goesOn = text === '' || this.#show(this.#reasoning.push(text));
    if (this.#reasoning.reasoning) this.reasoningTokens += 1;
    return goesOn;
  }

  finish(): void {
    const pieces = this.#reasoning.push(this.#flush());
    if (this.#show(pieces) && this.#show(this.#reasoning.rest())) this.#showText(this.#stop.rest());
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

  /** False when a stop text came. */
  #show(pieces: readonly Piece[]): boolean {
    for (const piece of pieces) {
      if (piece.type === 'reasoning') {
        this.#push({ type: 'reasoning', text: piece.text });
        continue;
      }
      const visible = this.#stop.push(piece.text);
      this.#showText(visible.text);
      if (visible.stopped) return false;
    }
    return true;
  }

  #showText(text: string): void {
    const shown = this.#dropsBlanks ? text.trimStart() : text;
    if (shown === '') return;
    this.#dropsBlanks = false;
    this.#push({ type: 'text', text: shown });
  }
}
