/** One sentence of a reply. */
export interface Sentence {
  /** In small letters, with plain apostrophes and single spaces, its mark at the end included. */
  words: string;
  isQuestion: boolean;
}

/** Longest text that is looked at, UTF-16 units: what a reply does shows before. */
const mostUnits = 20_000;
/** Longest sentence: a longer one is no prose. */
const longestSentence = 1000;

/** Marks that end a question, in the scripts that have one of their own. */
const questionMarks = /[?？؟⁇⁈‽]/;

/** Words with which a question begins that has lost its mark. */
const openings = /^(what|which|when|where|who|why|how|do|does|did|are|is|can|could|would|will|should|have|has)\b.*\b(you|your|i|we|it|there)\b/;

/** The sentences of a text, without code, quotes of others and addresses. */
export function sentencesOf(text: string): Sentence[] {
  const prose = text
    .slice(0, mostUnits)
    .replaceAll(/```[^]*?(?:```|$)/g, '\n')
    .replaceAll(/^\s*>.*$/gm, '\n')
    .replaceAll(/\bhttps?:\/\/\S+/g, 'link')
    .replaceAll(/`[^`\n]*`/g, 'code')
    // What somebody is quoted with in the middle of a sentence asks nothing.
    .replaceAll(/["“]([^"“”\n]{1,300})["”](?=,? [a-z])/g, (_, quote: string) => `"${quote.replaceAll(/[?!.]/g, '')}"`)
    .replaceAll(/[*_#]+/g, ' ')
    .replaceAll(/[’‘`]/g, "'");
  return prose
    .split(/\n+|(?<=[.!?…？！؟。‽])["”')\]]*\s+/)
    .map((part) => part.replaceAll(/\s+/g, ' ').trim().toLowerCase())
    .filter((words) => words !== '' && words.length <= longestSentence)
    .map((words) => ({ words: words.replace(/["”')\]]+$/, ''), isQuestion: isQuestion(words) }));
}

function isQuestion(words: string): boolean {
  if (questionMarks.test(words.slice(-3))) return true;
  // In the middle, as in `Budget? 200 euros`, and not inside quotes.
  if (/[?？؟](\s|$)/.test(words.replaceAll(/["“][^"”]*["”]/g, ''))) return true;
  return !/[.!。]["”')\]]*$/.test(words) && words.split(' ').length > 3 && openings.test(words);
}
