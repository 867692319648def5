import { ParleyError } from './errors.ts';

/**
 * Text from outside, made safe to store on both engines: PostgreSQL refuses NUL in text, and an unpaired surrogate
 * has no UTF-8 form. NUL is refused; unpaired surrogates become U+FFFD.
 * @throws {ParleyError} `invalid_request` when the text holds NUL.
 */
export function cleanText(text: string, field = 'text'): string {
  if (text.includes('\0')) {
    throw new ParleyError('invalid_request', { message: `${field} must not contain the NUL character.`, parameter: field });
  }
  return text.toWellFormed();
}

/** Whether cutting `text` at UTF-16 offset `at` would split a surrogate pair. */
export function splitsPair(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
}
