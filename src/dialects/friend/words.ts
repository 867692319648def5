/**
 * Cuts a growing text at its single spaces: the pieces, joined by one space each, are the text again. Two spaces side by
 * side make an empty piece. A piece is known to be whole when the space behind it, or the end of the text, has come.
 */
export class Words {
  /** UTF-16 units of the text that were told, with one for the space (or the end) behind each piece. */
  position: number;
  private pending = '';
  /** Where the text begins that has not been taken yet, in UTF-16 units. */
  private taken: number;
  /** Where the text ends, as far as it was seen. */
  private end = 0;

  /** @param position where an earlier reader stopped; 0 at the beginning */
  constructor(position = 0) {
    this.position = position;
    this.taken = position;
  }

  /**
   * Takes text that stands at `offset`; what was taken before is left out.
   * @returns the pieces that are whole now, each with the position behind it
   */
  take(text: string, offset: number): { piece: string; position: number }[] {
    const fresh = text.slice(Math.max(0, this.taken - offset));
    this.end = Math.max(this.end, offset + text.length);
    this.taken = Math.max(this.taken, this.end);
    const parts = fresh.split(' ');
    parts[0] = this.pending + parts[0]!;
    this.pending = parts.pop()!;
    return parts.map((piece) => this.told(piece));
  }

  /** The piece at the end of the text; none where everything was told, or there was nothing. */
  rest(): { piece: string; position: number }[] {
    if (this.position > this.end || this.end === 0) return [];
    const piece = this.pending;
    this.pending = '';
    return [this.told(piece)];
  }

  private told(piece: string): { piece: string; position: number } {
    this.position += piece.length + 1;
    return { piece, position: this.position };
  }
}
