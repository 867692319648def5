/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

/** Deepest nesting of lists and objects that is written or read. */
export const mostNesting = 64;

/** A value has no canonical form. */
export class CanonicalError extends Error {}

/**
 * The one text of a JSON value by the JSON Canonicalization Scheme (RFC 8785): no white space, members sorted by the UTF-16
 * units of their names, numbers and strings as ECMAScript writes them. Members that are undefined are left out, as
 * `JSON.stringify` does.
 * @throws {CanonicalError} for what I-JSON (RFC 7493) cannot say: NaN, infinities, unpaired surrogates; for anything that is
 * no JSON value; and for nesting deeper than `mostNesting`
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

function write(value: unknown, depth: number): string {
  if (depth > mostNesting) throw new CanonicalError(`The value is nested deeper than ${mostNesting} levels.`);
  if (value === null || value === true || value === false) return String(value);
  if (typeof value === 'string') return writeText(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new CanonicalError(`${value} has no form in JSON.`);
    // RFC 8785, section 3.2.2.3: the form is that of ECMAScript, and negative zero is 0.
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item: unknown) => write(item, depth + 1)).join(',')}]`;
  if (typeof value === 'object' && isPlain(value)) return writeObject(value, depth);
  throw new CanonicalError(`A value of type ${typeof value} has no form in JSON.`);
}

function writeObject(value: Readonly<Record<string, unknown>>, depth: number): string {
  // JavaScript compares texts by their UTF-16 units, which is the order that section 3.2.3 wants.
  const names = Object.keys(value).filter((name) => value[name] !== undefined).sort();
  return `{${names.map((name) => `${writeText(name)}:${write(value[name], depth + 1)}`).join(',')}}`;
}

function writeText(text: string): string {
  if (!text.isWellFormed()) throw new CanonicalError('A text has an unpaired surrogate.');
  return JSON.stringify(text);
}

/** Whether it is an object of members alone: a Date or a Map would lose what it holds. */
function isPlain(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
