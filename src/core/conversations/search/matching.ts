import { splitsPair } from '../../../base/text.ts';

/** Most words of one search; more are not looked at. */
const mostWords = 16;
/** UTF-16 units that a snippet shows, and of them before the first hit. */
const snippetUnits = 200;
const unitsBefore = 60;
/** Texts whose folded form has other places are gone through in pieces of about so many units. */
const pieceUnits = 4000;

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Where a word stands: UTF-16 units of the snippet. */
export interface Match {
  start: number;
  /** Not included. */
  end: number;
}

export interface Snippet {
  text: string;
  matches: Match[];
}

/**
 * A text in the form that is compared: composed (NFC), and without case for all of Unicode. Upper case first, because it
 * takes ligatures and ß apart; a sigma at the end of a word is a sigma. Done here and not by the database, because the
 * engines do not agree: SQLite knows the case of ASCII alone, PostgreSQL that of its locale.
 */
export function fold(text: string): string {
  return text.normalize('NFC').toUpperCase().toLowerCase().replaceAll('ς', 'σ');
}

/** The words that have to occur, folded. Whatever is not white space is taken as it is: there are no wildcards. */
export function wordsOf(query: string): string[] {
  return [...new Set(fold(query).split(/\s+/u).filter(Boolean))].slice(0, mostWords);
}

/** Whether every word occurs somewhere in the text. */
export function holdsAll(text: string, words: readonly string[]): boolean {
  const folded = fold(text);
  return words.every((word) => folded.includes(word));
}

/** The surroundings of the first hit, in one line. */
export function snippetOf(text: string, words: readonly string[]): Snippet {
  const { at, folded, origins } = firstPiece(text, words);
  const all = allIn(folded, words).map(({ start, end }) => ({ start: at + origins(start), end: at + origins(end) }));
  const first = all[0]?.start ?? 0;
  const from = whole(text, Math.max(0, first - unitsBefore));
  const to = whole(text, Math.min(text.length, from + snippetUnits));
  const head = from > 0 ? '…' : '';
  const tail = to < text.length ? '…' : '';
  const matches = all.filter(({ start }) => start < to).map(({ start, end }) => ({ start: start - from + head.length, end: Math.min(end, to) - from + head.length }));
  return { text: head + text.slice(from, to).replaceAll(/\s/gu, ' ') + tail, matches };
}

/** A place that does not cut a surrogate pair. */
function whole(text: string, at: number): number {
  return splitsPair(text, at) ? at - 1 : at;
}

interface Piece {
  /** Where it begins in the text. */
  at: number;
  folded: string;
  /** The place in the piece that a place in its folded form comes from. */
  origins(place: number): number;
}

/** The part of the text in which the first hit stands, or its beginning. The most texts are one part with equal places. */
function firstPiece(text: string, words: readonly string[]): Piece {
  const composed = text.normalize('NFC');
  const folded = fold(text);
  // Case never makes a text shorter, so equal lengths mean equal places.
  if (composed === text && folded.length === text.length) return { at: 0, folded, origins: (place) => place };
  for (let at = 0; at < text.length;) {
    const end = endOfPiece(text, at);
    const piece = text.slice(at, end);
    if (end >= text.length || words.some((word) => fold(piece).includes(word))) return { at, ...mapped(piece) };
    at = end;
  }
  return { at: 0, ...mapped(text.slice(0, pieceUnits)) };
}

/** Pieces end at white space, where no word is cut. */
function endOfPiece(text: string, at: number): number {
  if (text.length - at <= pieceUnits * 2) return text.length;
  const space = /\s/u.exec(text.slice(at + pieceUnits, at + pieceUnits * 2));
  return whole(text, at + pieceUnits + (space?.index ?? pieceUnits));
}

/** The folded form of a piece, made of what a reader takes for single characters, with the place of each. */
function mapped(piece: string): Omit<Piece, 'at'> {
  let folded = '';
  const places: number[] = [];
  for (const { segment, index } of graphemes.segment(piece)) {
    const form = fold(segment);
    for (let unit = 0; unit < form.length; unit += 1) places.push(index);
    folded += form;
  }
  // The end of a hit inside of what one character became is the end of that character.
  const origins = (place: number): number => {
    if (place >= places.length) return piece.length;
    return places[place]!;
  };
  return { folded, origins };
}

/** Every place of every word, from the first to the last; what overlaps is joined. */
function allIn(folded: string, words: readonly string[]): Match[] {
  const found: Match[] = [];
  for (const word of words) {
    const first = folded.indexOf(word);
    // What is far behind the first hit is not shown.
    for (let at = first; at !== -1 && at < first + pieceUnits * 2; at = folded.indexOf(word, at + 1)) found.push({ start: at, end: at + word.length });
  }
  found.sort((one, other) => one.start - other.start);
  const joined: Match[] = [];
  for (const match of found) {
    const last = joined.at(-1);
    if (last && match.start <= last.end) last.end = Math.max(last.end, match.end);
    else joined.push({ ...match });
  }
  return joined;
}
