import { splitsPair } from '../../base/text.ts';

/** A count and whether it is the tokenizer's own. */
export interface TokenCount {
  tokens: number;
  /** False when text without spaces had to be cut: each cut may add a token. */
  isExact: boolean;
}

/**
 * The tokenizer takes time by the square of the longest run without a break (15 s for 64,000 Chinese characters), so it
 * gets text in slices of at most this many UTF-16 units.
 */
const maxSlice = 400;
/** Units after which the event loop gets its turn. */
const unitsPerTurn = 65_536;
/** Merges the tokenizer remembers; its default of 100,000 holds on to much of what was said. */
const mergeCacheSize = 5000;

type CountSlice = (text: string) => number;
let loading: Promise<CountSlice> | undefined;

/** Loads the tokenizer on first use: it takes 0.2 s and some 65 MB. */
function loadTokenizer(): Promise<CountSlice> {
  loading ??= import('gpt-tokenizer/encoding/o200k_base').then((encoding) => {
    encoding.setMergeCacheSize(mergeCacheSize);
    // Text that looks like a control token is text.
    const asText = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };
    return (text) => encoding.countTokens(text, asText);
  });
  return loading;
}

/**
 * Tokens of a text by OpenAI's o200k_base encoding, the tokenizer of its models since gpt-4o; for models of others an
 * estimate, mostly low by up to a third.
 */
export async function countTokens(text: string): Promise<TokenCount> {
  if (text === '') return { tokens: 0, isExact: true };
  const countSlice = await loadTokenizer();
  let tokens = 0;
  let isExact = true;
  let nextTurn = unitsPerTurn;
  for (let start = 0; start < text.length;) {
    const cut = findCut(text, start);
    isExact &&= cut.isExact;
    tokens += countSlice(text.slice(start, cut.end));
    start = cut.end;
    if (start >= nextTurn) {
      nextTurn = start + unitsPerTurn;
      await new Promise(setImmediate);
    }
  }
  return { tokens, isExact };
}

/**
 * Where the slice from `start` ends. A single space between a visible character and a letter always begins a new piece
 * in the tokenizer's first step, so cutting in front of it changes nothing.
 */
function findCut(text: string, start: number): { end: number; isExact: boolean } {
  const limit = start + maxSlice;
  if (limit >= text.length) return { end: text.length, isExact: true };
  for (let at = limit; at > start; at -= 1) {
    if (text.charCodeAt(at) === 0x20 && /\S/.test(text[at - 1]!) && /\p{L}/u.test(text[at + 1] ?? '')) return { end: at, isExact: true };
  }
  return { end: splitsPair(text, limit) ? limit - 1 : limit, isExact: false };
}
