import type { SearchHit } from '../../shared/api/index.ts';

/** A text with the places marked where the words of a search stand. */
export function Highlighted({ text, matches }: { text: string; matches: SearchHit['matches'] }) {
  const pieces = matches.map(({ start, end }, at) => ({ before: text.slice(matches[at - 1]?.end ?? 0, start), match: text.slice(start, end) }));
  return (
    <>
      {pieces.map(({ before, match }, at) => (
        <span key={at}>
          {plain(before)}
          <mark>{match}</mark>
        </span>
      ))}
      {plain(text.slice(matches.at(-1)?.end ?? 0))}
    </>
  );
}

/** Without the marks of Markdown that nobody reads: bold, code, headings. */
function plain(text: string): string {
  return text.replaceAll(/\*\*|`+|(?:^|(?<=\s))#{1,6}\s/g, '');
}
