import type { Difference } from './types.ts';

/**
 * The first place where the records of a file are not those that were sealed, and what happened there. A record that is
 * sealed further on has moved or what stood before it is gone; one that is sealed nowhere was added or takes the place of
 * another.
 * @param sealed hashes of the sealed records, in order
 * @param found hashes of the records in the file, in order
 */
export function firstDifference(sealed: readonly string[], found: readonly string[]): Pick<Difference, 'what' | 'position'> | null {
  let position = 0;
  while (position < sealed.length && sealed[position] === found[position]) position += 1;
  if (position === sealed.length) return position === found.length ? null : { what: 'added', position };
  if (position === found.length) return { what: 'truncated', position };
  const [expected, here] = [sealed[position]!, found[position]!];
  const comesLater = found.includes(expected, position);
  const isSealedLater = sealed.includes(here, position);
  if (isSealedLater) return { what: comesLater ? 'reordered' : 'removed', position };
  return { what: comesLater ? 'added' : 'altered', position };
}
