import { ParleyError } from '../../base/errors.ts';

/** How pictures begin, in base64, by the kinds that models take. */
const beginnings = [
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
] as const;

/**
 * A picture of a request as a data: URL. Ollama's clients send bare base64 and do not say of which kind it is.
 * @throws {ParleyError} `invalid_request` for what is no base64 or no picture
 */
export function pictureUrl(sent: string, parameter: string): string {
  const base64 = sent.replaceAll(/[\r\n]/g, '');
  const kind = beginnings.find(([beginning]) => base64.startsWith(beginning))?.[1];
  if (kind === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) {
    throw new ParleyError('invalid_request', { message: `${parameter} must be a PNG, JPEG, GIF or WebP picture in base64`, parameter });
  }
  return `data:${kind};base64,${base64}`;
}
