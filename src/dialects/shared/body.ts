import { ParleyError } from '../../base/errors.ts';

/** Nesting of arrays and objects a body may have; JSON Schemas of tools stay well below. */
export const maxDepth = 64;

/** Bytes of a body where the route sets nothing else. */
export const maxBodyBytes = 1_048_576;

/**
 * Parses JSON from outside: the depth is bounded before parsing, so that whatever walks the value later cannot run
 * out of stack. An empty text is `undefined`, because some clients announce JSON and send nothing.
 * @throws {ParleyError} `invalid_request`
 */
export function parseJson(text: string): unknown {
  if (text.length === 0) return undefined;
  if (deeperThan(text, maxDepth)) throw new ParleyError('invalid_request', { message: `The JSON is nested deeper than ${maxDepth} levels.` });
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ParleyError('invalid_request', { message: 'The body is not valid JSON.', cause: error });
  }
}

/** Whether brackets outside of strings ever stand deeper than `limit`. Reads the text once. */
function deeperThan(text: string, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === 0x22) at = endOfString(text, at);
    else if (unit === 0x5b || unit === 0x7b) {
      depth += 1;
      if (depth > limit) return true;
    } else if (unit === 0x5d || unit === 0x7d) depth -= 1;
  }
  return false;
}

/** Index of the quote that closes the string beginning at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  let at = text.indexOf('"', start + 1);
  while (at !== -1 && isEscaped(text, at)) at = text.indexOf('"', at + 1);
  return at === -1 ? text.length : at;
}

/** Whether an odd number of backslashes stands before `at`. */
function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === 0x5c) before -= 1;
  return (at - before) % 2 === 0;
}
