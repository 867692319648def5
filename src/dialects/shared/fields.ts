import { z } from 'zod';
import { cleanText } from '../../base/text.ts';

/**
 * Text from outside: bounded in characters (Unicode code points, as JSON Schema counts them), NUL refused, unpaired
 * surrogates replaced. Every text field of every dialect is made by this.
 */
export function text(bounds: { min?: number; max: number }) {
  const { min = 0, max } = bounds;
  return z
    .string()
    .refine((value) => !longerThan(value, max), { error: `must have at most ${max} characters`, params: { kind: 'too_big' } })
    .refine((value) => value.length >= min, { error: `must have at least ${min} ${min === 1 ? 'character' : 'characters'}`, params: { kind: 'too_small' } })
    .refine((value) => !value.includes('\0'), { error: 'must not contain the NUL character', params: { kind: 'nul_character' } })
    .overwrite((value) => (value.includes('\0') ? value : cleanText(value)))
    .meta(min > 0 ? { minLength: min, maxLength: max } : { maxLength: max });
}

/** Text with at least one character that is not white space. */
export function filledText(max: number) {
  return text({ min: 1, max }).refine((value) => value.length === 0 || value.trim().length > 0, { error: 'must not be blank', params: { kind: 'blank' } });
}

/** A whole number in a query string; anything else than plain digits is refused. */
export function wholeNumber(bounds: { min: number; max: number; fallback: number }) {
  const number = z.int().min(bounds.min).max(bounds.max);
  return z.preprocess((value) => (typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value), number).default(bounds.fallback);
}

/** A JSON object of free form, bounded by its size as JSON. Texts in it are made safe to store like any other. */
export function freeObject(maxBytes: number) {
  return z
    .record(z.string(), z.unknown())
    .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= maxBytes, { error: `must be at most ${maxBytes} bytes as JSON`, params: { kind: 'too_big' } })
    .refine((value) => !holdsNul(value), { error: 'must not contain the NUL character', params: { kind: 'nul_character' } })
    .overwrite((value) => wellFormed(value) as Record<string, unknown>);
}

function holdsNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, inner]) => key.includes('\0') || holdsNul(inner));
}

/** A copy of a JSON value in which every text, keys included, has a UTF-8 form. Depth is bounded by the body parser. */
function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.toWellFormed(), wellFormed(inner)]));
}

/** Whether the text has more than `max` code points; counts them only where the number of units leaves it open. */
function longerThan(value: string, max: number): boolean {
  if (value.length <= max) return false;
  if (value.length > max * 2) return true;
  let count = 0;
  for (const character of value) count += character.length > 0 ? 1 : 0;
  return count > max;
}
