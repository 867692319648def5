/**
 * A byte-level byte-pair tokenizer as GPT-2 uses it (Sennrich et al. 2016; Radford et al. 2019): every byte has a
 * printable character, and merges, learned from a sample of text, join the most frequent neighbours.
 */
export interface Tokenizer {
  /** Text of each token, in the printable characters, by id. */
  readonly tokens: readonly string[];
  /** ggml's kind of each token: 1 normal, 3 control, 5 unused. */
  readonly kinds: readonly number[];
  /** The learned merges in order, as `left right`. */
  readonly merges: readonly string[];
  /** Ids of the tokens that are no text. */
  readonly special: Readonly<Record<SpecialToken, number>>;
  /** Ids of a text. Special tokens are found in it only when asked for: what people write is never one. */
  encode(text: string, withSpecialTokens?: boolean): number[];
}

export type SpecialToken = 'begin' | 'end' | 'messageStart' | 'messageEnd';

export const specialTexts: Record<SpecialToken, string> = {
  begin: '<|begin|>',
  end: '<|end|>',
  messageStart: '<|im_start|>',
  messageEnd: '<|im_end|>',
};

const byteCharacters = makeByteCharacters();
const wordPattern = /'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/**
 * Learns a tokenizer. The same sample and size always give the same one.
 * @param size tokens in all, special ones included; at least 260
 * @param controlTokens more special tokens
 */
export function trainTokenizer(sample: string, size: number, controlTokens: readonly string[] = []): Tokenizer {
  const specials = Object.keys(specialTexts) as SpecialToken[];
  const taken = byteCharacters.length + specials.length + controlTokens.length;
  const room = size - taken;
  if (room < 0) throw new RangeError(`A vocabulary needs at least ${taken} tokens, not ${size}.`);
  const { merges, made } = learnMerges(sample, room);
  const tokens = [...byteCharacters, ...made];
  const kinds = tokens.map(() => 1);
  const special = {} as Record<SpecialToken, number>;
  for (const name of specials) {
    special[name] = tokens.push(specialTexts[name]) - 1;
    kinds.push(3);
  }
  for (const token of controlTokens) {
    tokens.push(token);
    kinds.push(3);
  }
  while (tokens.length < size) {
    tokens.push(`<unused${tokens.length}>`);
    kinds.push(5);
  }
  return { tokens, kinds, merges, special, encode: makeEncoder(tokens, merges, [...Object.values(specialTexts), ...controlTokens]) };
}

/** Bytes that print as themselves keep their character; the others get those from U+0100 on, in order. */
function makeByteCharacters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : next++);
  });
}

function wordSymbols(word: string): string[] {
  return [...Buffer.from(word, 'utf8')].map((byte) => byteCharacters[byte]!);
}

function learnMerges(sample: string, room: number): { merges: string[]; made: string[] } {
  const counts = new Map<string, number>();
  for (const [word] of sample.matchAll(wordPattern)) counts.set(word, (counts.get(word) ?? 0) + 1);
  let words = [...counts].map(([word, count]) => ({ symbols: wordSymbols(word), count }));
  const merges: string[] = [];
  const made = new Set<string>();
  while (made.size < room) {
    const pair = mostFrequentPair(words);
    if (pair === null) break;
    const [left, right] = pair.split(' ') as [string, string];
    merges.push(pair);
    made.add(left + right);
    words = words.map(({ symbols, count }) => ({ symbols: joinPair(symbols, left, right), count }));
  }
  return { merges, made: [...made] };
}

/** Null when no two neighbours are left. Of equally frequent pairs the one seen first. */
function mostFrequentPair(words: readonly { symbols: string[]; count: number }[]): string | null {
  const counts = new Map<string, number>();
  for (const { symbols, count } of words) {
    for (let at = 1; at < symbols.length; at += 1) {
      const pair = `${symbols[at - 1]} ${symbols[at]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  }
  let best: string | null = null;
  for (const [pair, count] of counts) if (best === null || count > counts.get(best)!) best = pair;
  return best;
}

function joinPair(symbols: readonly string[], left: string, right: string): string[] {
  const joined: string[] = [];
  for (let at = 0; at < symbols.length; at += 1) {
    if (symbols[at] === left && symbols[at + 1] === right) {
      joined.push(left + right);
      at += 1;
    } else {
      joined.push(symbols[at]!);
    }
  }
  return joined;
}

function makeEncoder(tokens: readonly string[], merges: readonly string[], specials: readonly string[]): Tokenizer['encode'] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const ranks = new Map(merges.map((pair, rank) => [pair, rank]));
  const encodeWord = (word: string): number[] => {
    let symbols = wordSymbols(word);
    for (;;) {
      let best = Infinity;
      for (let at = 1; at < symbols.length; at += 1) best = Math.min(best, ranks.get(`${symbols[at - 1]} ${symbols[at]}`) ?? Infinity);
      if (best === Infinity) return symbols.map((symbol) => ids.get(symbol)!);
      const [left, right] = merges[best]!.split(' ') as [string, string];
      symbols = joinPair(symbols, left, right);
    }
  };
  const encodeText = (text: string): number[] => [...text.matchAll(wordPattern)].flatMap(([word]) => encodeWord(word));
  const specialPattern = new RegExp(`(${specials.map((special) => RegExp.escape(special)).join('|')})`, 'u');
  return (text, withSpecialTokens = false) =>
    withSpecialTokens
      ? text.split(specialPattern).flatMap((part) => (specials.includes(part) ? [ids.get(part)!] : encodeText(part)))
      : encodeText(text);
}
