/** How much of the end of `text` could be the beginning of `mark`: 0 when none of it. */
export function overlap(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length -= 1) {
    if (text.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}

/** Lets text through until one of the stop texts comes. What may be the beginning of one is held back. */
export interface StopFilter {
  /** The text that may be shown now, and whether a stop text was found: then nothing follows. */
  push(text: string): { text: string; stopped: boolean };
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
      for (const mark of marks) {
        const at = all.indexOf(mark);
        if (at >= 0 && (found < 0 || at < found)) found = at;
      }
      if (found >= 0) {
        held = '';
        return { text: all.slice(0, found), stopped: true };
      }
      const keep = Math.max(...marks.map((mark) => overlap(all, mark)));
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
  if (marks === null) {
    return { reasoning: false, push: (text) => (text === '' ? [] : [{ type: 'text', text }]), rest: () => [] };
  }
  const { open, close, headings } = marks;
  let place: 'before' | 'inside' | 'after' | 'answer' = startsInside ? 'inside' : 'before';
  let held = '';

  /** Nothing but blanks has come yet. */
  function before(): Piece[] {
    const begun = held.trimStart();
    if (open !== '' && begun.startsWith(open)) {
      place = 'inside';
      held = begun.slice(open.length);
      return inside();
    }
    const heading = headings.find((text) => begun.startsWith(text));
    if (heading !== undefined) {
      place = 'answer';
      return takeAnswer(begun.slice(heading.length));
    }
    if ([open, ...headings].some((mark) => mark.length > begun.length && mark.startsWith(begun))) return [];
    place = 'answer';
    return takeAnswer(held);
  }

  function inside(): Piece[] {
    const at = held.indexOf(close);
    const end = at >= 0 ? at : held.length - overlap(held, close);
    const text = held.slice(0, end);
    held = held.slice(at >= 0 ? at + close.length : end);
    const pieces: Piece[] = text === '' ? [] : [{ type: 'reasoning', text }];
    if (at < 0) return pieces;
    place = 'after';
    return [...pieces, ...after()];
  }

  /** The reasoning has ended; blanks between it and the answer belong to neither. */
  function after(): Piece[] {
    held = held.trimStart();
    const heading = headings.find((text) => held.startsWith(text));
    if (heading === undefined && (held === '' || headings.some((text) => text.startsWith(held)))) return [];
    place = 'answer';
    return takeAnswer(held.slice(heading?.length ?? 0));
  }

  function takeAnswer(text: string): Piece[] {
    held = '';
    return text === '' ? [] : [{ type: 'text', text }];
  }

  return {
    get reasoning() {
      return place === 'inside';
    },
    push(text) {
      if (place === 'answer') return takeAnswer(text);
      held += text;
      return place === 'before' ? before() : place === 'inside' ? inside() : after();
    },
    rest() {
      const text = held;
      held = '';
      return text === '' ? [] : [{ type: place === 'inside' ? 'reasoning' : 'text', text }];
    },
  };
}
