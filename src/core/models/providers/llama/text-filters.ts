/** How much of the end of `text` could be the beginning of `mark`: 0 when none of it. Called for every token. */
export function overlap(text: string, mark: string): number {
  const from = Math.max(0, text.length - mark.length + 1);
  for (let at = text.indexOf(mark[0]!, from); at >= 0; at = text.indexOf(mark[0]!, at + 1)) {
    if (mark.startsWith(text.slice(at))) return text.length - at;
  }
  return 0;
}

/** Lets text through until one of the stop texts comes. What may be the beginning of one is held back. */
export interface StopFilter {
  /** The text that may be shown now, and whether a stop text was found: then nothing follows but what stood `after` it. */
  push(text: string): { text: string; stopped: boolean; after?: string };
  /** What was held back and turned out to be no stop text. */
  rest(): string;
}

export function createStopFilter(stops: readonly string[]): StopFilter {
  const marks = stops.filter((stop) => stop !== '');
  let held = '';
  return {
    push(text) {
      if (marks.length === 0) return { text, stopped: false };
      const all = held + text;
      let found = -1;
      let end = 0;
      for (const mark of marks) {
        const at = all.indexOf(mark);
        if (at < 0 || (found >= 0 && at >= found)) continue;
        found = at;
        end = at + mark.length;
      }
      if (found >= 0) {
        held = '';
        return { text: all.slice(0, found), stopped: true, after: all.slice(end) };
      }
      let keep = 0;
      for (const mark of marks) keep = Math.max(keep, overlap(all, mark));
      if (keep === 0) {
        held = '';
        return { text: all, stopped: false };
      }
      held = all.slice(all.length - keep);
      return { text: all.slice(0, all.length - keep), stopped: false };
    },
    rest() {
      const text = held;
      held = '';
      return text;
    },
  };
}

/** A piece of an answer, told apart. */
export interface Piece {
  type: 'text' | 'reasoning';
  text: string;
}

/** How a model marks the parts of its answer. */
export interface AnswerMarks {
  /** Opens the reasoning; empty when the template has opened it. */
  open: string;
  close: string;
  /** Headings before the answer itself that are not part of it, the longest first. */
  headings: readonly string[];
}

/**
 * Tells the reasoning at the beginning of an answer from the answer. Marks that come later are part of the answer: a
 * model may well write about them.
 */
export interface ReasoningFilter {
  push(text: string): Piece[];
  /** What was held back because it might have become a mark. */
  rest(): Piece[];
  readonly reasoning: boolean;
}

export function createReasoningFilter(marks: AnswerMarks | null, startsInside: boolean): ReasoningFilter {
  if (marks !== null) return new MarkedAnswer(marks, startsInside);
  return { reasoning: false, push: textPiece, rest: () => [] };
}

class MarkedAnswer implements ReasoningFilter {
  readonly #marks: AnswerMarks;
  #place: 'before' | 'inside' | 'after' | 'answer';
  #held = '';
  #reasoningBegun = false;

  constructor(marks: AnswerMarks, startsInside: boolean) {
    this.#marks = marks;
    this.#place = startsInside ? 'inside' : 'before';
  }

  get reasoning(): boolean {
    return this.#place === 'inside';
  }

  push(text: string): Piece[] {
    if (this.#place === 'answer') return textPiece(text);
    this.#held += text;
    if (this.#place === 'before') return this.#before();
    return this.#place === 'inside' ? this.#inside() : this.#after();
  }

  rest(): Piece[] {
    const text = this.#held;
    this.#held = '';
    return text !== '' && this.reasoning ? [{ type: 'reasoning', text }] : textPiece(text);
  }

  /** Nothing but blanks has come yet. */
  #before(): Piece[] {
    const { open, headings } = this.#marks;
    const first = this.#held.trimStart();
    if (open !== '' && first.startsWith(open)) {
      this.#place = 'inside';
      this.#held = first.slice(open.length);
      return this.#inside();
    }
    const heading = headings.find((text) => first.startsWith(text));
    if (heading !== undefined) return this.#answer(first.slice(heading.length));
    if ([open, ...headings].some((mark) => mark.length > first.length && mark.startsWith(first))) return [];
    return this.#answer(this.#held);
  }

  #inside(): Piece[] {
    const { close } = this.#marks;
    const at = this.#held.indexOf(close);
    const end = at >= 0 ? at : this.#held.length - overlap(this.#held, close);
    const shown = this.#held.slice(0, end);
    const text = this.#reasoningBegun ? shown : shown.trimStart();
    this.#reasoningBegun ||= text !== '';
    this.#held = this.#held.slice(at >= 0 ? at + close.length : end);
    const pieces: Piece[] = text === '' ? [] : [{ type: 'reasoning', text }];
    if (at < 0) return pieces;
    this.#place = 'after';
    return [...pieces, ...this.#after()];
  }

  /** The reasoning has ended; blanks between it and the answer belong to neither. */
  #after(): Piece[] {
    const { headings } = this.#marks;
    this.#held = this.#held.trimStart();
    const heading = headings.find((text) => this.#held.startsWith(text));
    if (heading !== undefined) return this.#answer(this.#held.slice(heading.length));
    if (this.#held === '' || headings.some((text) => text.startsWith(this.#held))) return [];
    return this.#answer(this.#held);
  }

  #answer(text: string): Piece[] {
    this.#place = 'answer';
    this.#held = '';
    return textPiece(text);
  }
}

function textPiece(text: string): Piece[] {
  return text === '' ? [] : [{ type: 'text', text }];
}
