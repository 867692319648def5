/**
 * Reads on until what was read has this part, and returns all of it.
 * @throws {Error} when the stream ends before: a loop that only looked for the part would spin for ever
 */
export async function readUntil(reader: ReadableStreamDefaultReader<string>, part: string): Promise<string> {
  let seen = '';
  while (!seen.includes(part)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`The stream ended without ${JSON.stringify(part)}: ${seen.slice(-500)}`);
    seen += value;
  }
  return seen;
}
