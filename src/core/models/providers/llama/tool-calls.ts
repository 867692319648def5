import type { LlamaModel, Token } from 'node-llama-cpp';
import { newId } from '../../../../base/ids.ts';
import type { ReplyEvent } from '../../types.ts';
import { hiddenTokens } from './reply-text.ts';
import type { ToolForm } from './tool-form.ts';

/** Turns what a model writes behind the opening of a call into events. The grammar has made sure that it is one. */
export interface ToolCallReader {
  take(token: Token): void;
  /** Tokens taken. */
  readonly tokens: number;
  /** Calls whose arguments are complete. */
  readonly complete: number;
}

/** A character has at most four bytes, so it is complete after as many tokens. */
const mostPending = 8;
const replacement = '\ufffd';

export function createToolCallReader(
  model: LlamaModel,
  form: ToolForm,
  names: readonly string[],
  push: (event: ReplyEvent) => void,
): ToolCallReader {
  const parser = new CallParser(form, names, push);
  const marks = new Map(formTexts(form, names).flatMap((text) => hiddenTokens(model, text)));
  const pending: Token[] = [];
  const reader = {
    tokens: 0,
    take(token: Token) {
      reader.tokens += 1;
      const mark = marks.get(token);
      if (mark === undefined) pending.push(token);
      // Control tokens that are no marks of the form print nothing, as in any answer.
      const text = pending.length === 0 ? '' : model.detokenize(pending, false);
      if (mark === undefined && text.endsWith(replacement) && pending.length < mostPending) return;
      pending.length = 0;
      parser.push(text + (mark ?? ''));
    },
    get complete() {
      return parser.complete;
    },
  };
  return reader;
}

function formTexts(form: ToolForm, names: readonly string[]): string[] {
  return [form.opening, form.between ?? '', form.end, ...names.flatMap((name) => [form.middle(name), form.closing(name)])];
}

/** Reads `name middle JSON closing`, any number of times. */
export class CallParser {
  readonly #form: ToolForm;
  /** The longest first: one name may begin with another. */
  readonly #names: readonly string[];
  readonly #push: (event: ReplyEvent) => void;
  #place: 'name' | 'arguments' | 'behind' = 'name';
  #text = '';
  #index = 0;
  /** Within the arguments: open brackets, and whether a text or an escape in it is open. */
  #depth = 0;
  #inText = false;
  #escaped = false;
  complete = 0;

  constructor(form: ToolForm, names: readonly string[], push: (event: ReplyEvent) => void) {
    this.#form = form;
    this.#names = names.toSorted((one, other) => other.length - one.length);
    this.#push = push;
  }

  push(text: string): void {
    this.#text += text;
    for (let before = -1; before !== this.#text.length;) {
      before = this.#text.length;
      if (this.#place === 'name') this.#readName();
      else if (this.#place === 'arguments') this.#readArguments();
      else this.#readBehind();
    }
  }

  #readName(): void {
    for (const name of this.#names) {
      const head = `${name}${this.#form.middle(name)}`;
      if (!this.#text.startsWith(head)) continue;
      this.#text = this.#text.slice(head.length);
      this.#place = 'arguments';
      this.#push({ type: 'tool', index: this.#index, id: `call_${newId().replaceAll('-', '')}`, name, arguments: '' });
      return;
    }
  }

  #readArguments(): void {
    let at = 0;
    for (; at < this.#text.length && this.#place === 'arguments'; at += 1) this.#step(this.#text[at]!);
    const piece = this.#text.slice(0, at);
    this.#text = this.#text.slice(at);
    if (piece !== '') this.#push({ type: 'tool', index: this.#index, arguments: piece });
    if (this.#place === 'arguments') return;
    this.#index += 1;
    this.complete += 1;
  }

  #step(character: string): void {
    if (this.#inText) {
      if (this.#escaped) this.#escaped = false;
      else if (character === '\\') this.#escaped = true;
      else if (character === '"') this.#inText = false;
    } else if (character === '"') this.#inText = true;
    else if (character === '{' || character === '[') this.#depth += 1;
    else if (character === '}' || character === ']') {
      this.#depth -= 1;
      if (this.#depth === 0) this.#place = 'behind';
    }
  }

  #readBehind(): void {
    const mark = this.#form.between?.trimStart() ?? null;
    const at = mark === null ? -1 : this.#text.indexOf(mark);
    if (at < 0) return;
    this.#text = this.#text.slice(at + mark!.length);
    this.#place = 'name';
  }
}
