/**
 * The first `maxLength` characters of a text and the suffix, where the text is longer; otherwise the text as it is.
 * White space before the suffix goes. Characters are Unicode code points; the suffix is not counted.
 * @param maxLength whole number of 0 or more. Default 100
 * @throws {RangeError} for another length
 */
export function truncateText(text: string, maxLength: number = 100, suffix: string = '...'): string {
  if (!Number.isSafeInteger(maxLength) || maxLength < 0) throw new RangeError('maxLength must be a whole number of 0 or more.');
  let count = 0;
  let end = 0;
  // Only as far as needed: the text may be long.
  for (const character of text) {
    if (count === maxLength) return text.slice(0, end).trimEnd() + suffix;
    count += 1;
    end += character.length;
  }
  return text;
}
