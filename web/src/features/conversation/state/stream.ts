import type { Message } from '../../../shared/api/index.ts';

/** A piece of an answer as it comes over the socket. */
export interface Piece {
  kind: 'text' | 'reasoning';
  text: string;
  /** UTF-16 units of this kind that stand before it. */
  offset: number;
  /** Number of the event; the last one when several were joined. */
  seq: number;
}

export type PieceOutcome =
  /** The message with the piece in its place. */
  | { kind: 'applied'; message: Message }
  /** All of it was there already (a piece seen twice, after attaching). */
  | { kind: 'repeat' }
  /** Something before it is missing: attach behind what is known. */
  | { kind: 'gap' };

/**
 * Puts a piece where it belongs. Offsets decide, not the order of arrival: what overlaps is taken once, what would
 * leave a hole is refused.
 */
export function applyPiece(message: Message, piece: Piece): PieceOutcome {
  const known = (piece.kind === 'text' ? message.content : message.reasoning) ?? '';
  if (piece.offset > known.length) return { kind: 'gap' };
  const seq = Math.max(message.last_event_seq, piece.seq);
  if (piece.offset + piece.text.length <= known.length) {
    if (seq === message.last_event_seq) return { kind: 'repeat' };
    return { kind: 'applied', message: { ...message, last_event_seq: seq } };
  }
  const grown = known + piece.text.slice(known.length - piece.offset);
  return {
    kind: 'applied',
    message: piece.kind === 'text' ? { ...message, content: grown, last_event_seq: seq } : { ...message, reasoning: grown, last_event_seq: seq },
  };
}
