/** Kinds of pictures that models take and make. */
export type PictureType = 'image/png' | 'image/jpeg' | 'image/gif' | 'image/webp';

/** How the bytes of each kind begin, in base64. */
const beginnings: readonly (readonly [string, PictureType])[] = [
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
];

/** What the bytes are, whatever was said of them; null for anything but the four kinds. */
export function pictureTypeOf(base64: string): PictureType | null {
  return beginnings.find(([beginning]) => base64.startsWith(beginning))?.[1] ?? null;
}

/** A picture of a message: its bytes, or where they are. */
export type PictureSource =
  | { kind: 'data'; type: string; base64: string }
  | { kind: 'address'; url: string };

/**
 * Reads `data:` with base64 and `https:` addresses; null for anything else. The type is what the bytes are, else what
 * the URL says of them.
 */
export function readPictureUrl(url: string): PictureSource | null {
  if (/^https:\/\//i.test(url)) return { kind: 'address', url };
  const [, said, base64] = /^data:([\w.+-]+\/[\w.+-]+);base64,([A-Za-z0-9+/]+={0,2})$/i.exec(url) ?? [];
  return said === undefined || base64 === undefined ? null : { kind: 'data', type: pictureTypeOf(base64) ?? said.toLowerCase(), base64 };
}
