import type { SearchHit } from '../../shared/api/index.ts';

/** A text with the places marked where the words of a search stand. */
export function Highlighted({ text, matches }: { text: string; matches: SearchHit['matches'] }) {
  const pieces = matches.map(({ start, end }, at) => ({ before: text.slice(matches[at - 1]?.end ?? 0, start), match: text.slice(start, end) }));
  return (
    <>
      {pieces.map(({ before, match }, at) => (
        <span key={at}>
          {before}
          <mark>{match}</mark>
        </span>
      ))}
      {text.slice(matches.at(-1)?.end ?? 0)}
    </>
  );
}
