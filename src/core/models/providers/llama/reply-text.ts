import type { LlamaModel, Token } from 'node-llama-cpp';
import type { ReplyEvent } from '../../types.ts';
import type { Prompt } from './prompt.ts';
import { createReasoningFilter, createStopFilter, type Piece } from './text-filters.ts';

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

export function createReplyText(model: LlamaModel, prompt: Prompt, stops: readonly string[], push: (event: ReplyEvent) => void): ReplyText {
  const reasoning = createReasoningFilter(prompt.reasoning, prompt.startsInReasoning);
  const stop = createStopFilter([...stops, ...prompt.endTexts]);
  const hidden = prompt.reasoning?.hidden;
  let before = prompt.tokens.slice(-contextTokens);
  let pending: Token[] = [];
  let dropsBlanks = prompt.dropsLeadingBlanks;
  let tokens = 0;
  let reasoningTokens = 0;

  /** The text of the pending tokens; null while a character is incomplete. */
  function decode(): string | null {
    const text = model.detokenize(pending, false, before);
    if (text.endsWith(replacement) && pending.length < mostPending) return null;
    return decoded(text);
  }

  function decoded(text: string): string {
    before = [...before, ...pending].slice(-contextTokens);
    pending = [];
    return text;
  }

  function show(pieces: readonly Piece[]): boolean {
    for (const piece of pieces) {
      if (piece.type === 'reasoning') {
        push({ type: 'reasoning', text: piece.text });
        continue;
      }
      const visible = stop.push(piece.text);
      showText(visible.text);
      if (visible.stopped) return false;
    }
    return true;
  }

  function showText(text: string): void {
    const shown = dropsBlanks ? text.trimStart() : text;
    if (shown === '') return;
    dropsBlanks = false;
    push({ type: 'text', text: shown });
  }

  return {
    take(token) {
      if (prompt.endTokens.has(token)) {
        this.finish();
        return false;
      }
      tokens += 1;
      const mark = hidden?.get(token);
      const text = mark === undefined ? (pending.push(token), decode()) : decoded(model.detokenize(pending, false, before)) + mark;
      const goesOn = text === null || text === '' || show(reasoning.push(text));
      if (reasoning.reasoning) reasoningTokens += 1;
      return goesOn;
    },
    finish() {
      const text = pending.length === 0 ? '' : decoded(model.detokenize(pending, false, before));
      if (show(reasoning.push(text)) && show(reasoning.rest())) showText(stop.rest());
    },
    get tokens() {
      return tokens;
    },
    get reasoningTokens() {
      return reasoningTokens;
    },
  };
}
