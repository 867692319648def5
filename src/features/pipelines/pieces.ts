import { ParleyError } from '../../base/errors.ts';
import { leastPiece, mostPiece, mostPieces, piecesBetween } from './limits.ts';

/** A part of a text that can be worked on by itself, and the white space behind it. */
export interface Piece {
  text: string;
  gap: string;
}

/** Cuts a text that comes bit by bit behind sentences and lines, where pieces are neither very short nor long. */
export class PieceCutter {
  #text = '';

  add(text: string): Piece[] {
    this.#text += text;
    const pieces: Piece[] = [];
    for (let cut = this.#cut(); cut !== null; cut = this.#cut()) pieces.push(cut);
    return pieces;
  }

  /** What is left at the end. */
  rest(): Piece[] {
    const text = this.#text;
    this.#text = '';
    return text.trim() === '' ? [] : [{ text: text.trimEnd(), gap: text.slice(text.trimEnd().length) }];
  }

  #cut(): Piece | null {
    for (const found of this.#text.matchAll(/([.!?。！？…]["')\]»”’]*|\S(?=\s*\n))(\s+)(?=\S)/g)) {
      const end = found.index + found[1]!.length;
      if (end >= leastPiece) return this.#take(Math.min(end, mostPiece), found[2]!.length);
    }
    return this.#text.length > mostPiece * 2 ? this.#take(mostPiece, 0) : null;
  }

  #take(end: number, gap: number): Piece {
    // A surrogate pair is never cut.
    const at = /[\uD800-\uDBFF]/.test(this.#text[end - 1]!) ? end - 1 : end;
    const to = at < end ? at : end + (this.#text.slice(end, end + gap).trim() === '' ? gap : 0);
    const piece = { text: this.#text.slice(0, at), gap: this.#text.slice(at, to) };
    this.#text = this.#text.slice(to);
    return piece;
  }
}

/** Pieces on their way from one stage to the next: whoever puts waits while too many wait. */
export class PieceLine {
  readonly #pieces: Piece[] = [];
  readonly #signal: AbortSignal;
  #isClosed = false;
  #count = 0;
  #changed = Promise.withResolvers<void>();

  /** @param signal ends all waiting */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  /** @throws {ParleyError} `too_large` when there were too many pieces, `cancelled` */
  async put(piece: Piece): Promise<void> {
    if ((this.#count += 1) > mostPieces) throw new ParleyError('too_large', { message: `A stage has given more than ${mostPieces} pieces to the next one.` });
    while (this.#pieces.length >= piecesBetween) await this.#wait();
    this.#pieces.push(piece);
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  /** @throws {ParleyError} `cancelled` */
  async *all(): AsyncGenerator<Piece> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#wake();
        yield piece;
      } else if (this.#isClosed) return;
      else await this.#wait();
    }
  }

  async #wait(): Promise<void> {
    if (!this.#signal.aborted) await this.#changed.promise;
    if (this.#signal.aborted) throw new ParleyError('cancelled');
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
