import { createHash } from 'node:crypto';
import { ParleyError } from '../../../base/errors.ts';
import type { MessagesTable, Queries, WriteQueries } from '../../../base/storage/index.ts';
import { pictureTypeOf, readPictureUrl, type ContentPart, type PictureType } from '../../models/index.ts';

/*
 * Pictures of messages that are kept. What is known of each stands in the metadata of its message, so that reading a
 * conversation needs no further query; the bytes have rows of their own. Pictures that are only named by an address are
 * kept as that address: Parley fetches none.
 */

/** A picture that was sent with a message. */
export interface KeptPicture {
  /** What its bytes are; null for one that is named by its address. */
  type: PictureType | null;
  /** Its length; null for one that is named by its address. */
  bytes: number | null;
  /** Of its bytes, hexadecimal; null for one that is named by its address. */
  sha256: string | null;
  /** The https: address that names it; null for one that is kept here. */
  url: string | null;
  detail: 'auto' | 'low' | 'high' | null;
  /** UTF-16 units of the message's text that stand before it. */
  offset: number;
}

/** Pictures with one message. */
export const mostPictures = 8;
/** Bytes of one picture: somewhat more than services take. */
export const mostPictureBytes = 6_291_456;
/** Longest address of a picture. */
const mostAddress = 4096;
const types: readonly string[] = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'] satisfies PictureType[];

/** Under this key the metadata of a message holds what is known of its pictures. */
const metadataKey = 'sent_pictures';

/** Pictures of a message that is to be stored. */
export interface PicturesToKeep {
  pictures: KeptPicture[];
  /** Base64 of those whose bytes came along. */
  contents: { position: number; content: string }[];
}

const none: PicturesToKeep = { pictures: [], contents: [] };
/** What was found in parts, so that large pictures are looked at once. */
const found = new WeakMap<readonly ContentPart[], PicturesToKeep>();

/**
 * The pictures among the parts of a message.
 * @throws {ParleyError} `invalid_request` for what is no picture, and for too many or too large ones
 */
export function picturesToKeep(parts: readonly ContentPart[] | undefined): PicturesToKeep {
  if (!parts?.some((part) => part.type === 'image')) return none;
  const known = found.get(parts) ?? readParts(parts);
  found.set(parts, known);
  return known;
}

function readParts(parts: readonly ContentPart[]): PicturesToKeep {
  const kept: PicturesToKeep = { pictures: [], contents: [] };
  let offset = 0;
  for (const part of parts) {
    // Texts stand one below the other, as in `content`.
    if (part.type === 'text') offset += part.text.length + (offset > 0 ? 1 : 0);
    else addPicture(kept, part, offset);
  }
  return kept;
}

/** Adds one picture, which stands behind `offset` units of the text. @throws {ParleyError} as `picturesToKeep` */
export function addPicture({ pictures, contents }: PicturesToKeep, part: Extract<ContentPart, { type: 'image' }>, offset: number): void {
  if (pictures.length >= mostPictures) throw refused(`A message takes at most ${mostPictures} pictures.`);
  const source = readPictureUrl(part.url);
  const detail = part.detail ?? null;
  if (source?.kind === 'address') {
    if (source.url.length > mostAddress) throw refused(`The address of a picture has at most ${mostAddress} characters.`);
    pictures.push({ type: null, bytes: null, sha256: null, url: source.url, detail, offset });
    return;
  }
  // What counts is what the bytes are, not what is said of them.
  const type = source && pictureTypeOf(source.base64);
  if (!type) throw refused('A picture must be a PNG, JPEG, GIF or WebP, as data: with base64, or an https: address.');
  const bytes = Buffer.from(source.base64, 'base64');
  if (bytes.length > mostPictureBytes) throw refused(`A picture has at most ${mostPictureBytes / 1_048_576} MB: make it smaller.`);
  contents.push({ position: pictures.length, content: source.base64 });
  pictures.push({ type, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), url: null, detail, offset });
}

function refused(message: string): ParleyError {
  return new ParleyError('invalid_request', { message });
}

/** The metadata of a message with what is known of its pictures. Nobody but the core writes under that key. */
export function withPictures(metadata: Record<string, unknown> | null, pictures: readonly KeptPicture[]): Record<string, unknown> | null {
  if (pictures.length === 0 && !(metadata && metadataKey in metadata)) return metadata;
  const { [metadataKey]: _, ...others } = metadata ?? {};
  return pictures.length > 0 ? { ...others, [metadataKey]: pictures } : others;
}

/** Metadata as its sender gave it, and the pictures beside it. */
export function splitMetadata(metadata: Record<string, unknown> | null): { metadata: Record<string, unknown> | null; pictures: KeptPicture[] } {
  if (metadata === null || !(metadataKey in metadata)) return { metadata, pictures: [] };
  const { [metadataKey]: kept, ...others } = metadata;
  return { metadata: Object.keys(others).length > 0 ? others : null, pictures: Array.isArray(kept) ? (kept as unknown[]).filter(isKept).slice(0, mostPictures) : [] };
}

/** The pictures of a stored message. */
export function picturesOf({ metadata }: Pick<MessagesTable, 'metadata'>): KeptPicture[] {
  if (!metadata?.includes(`"${metadataKey}"`)) return [];
  return splitMetadata(JSON.parse(metadata) as Record<string, unknown>).pictures;
}

/** Metadata may have been written by an import: only what has the form of a picture is one. */
function isKept(value: unknown): value is KeptPicture {
  if (typeof value !== 'object' || value === null) return false;
  const { type, url, offset } = value as Partial<KeptPicture>;
  const isHere = url === null && typeof type === 'string' && types.includes(type);
  return typeof offset === 'number' && (isHere || (typeof url === 'string' && /^https:\/\//i.test(url)));
}

/** What pictures add to the text of a message where its path is hashed; nothing for messages without. */
export function hashedPictures(pictures: readonly KeptPicture[]): string {
  return pictures.map(({ sha256, url }) => `\0picture:${sha256 ?? url}`).join('');
}

/** Stores the bytes. Called in the transaction that stores the message. */
export async function insertPictures(queries: WriteQueries, messageId: string, { contents }: PicturesToKeep): Promise<void> {
  if (contents.length > 0) await queries.insertInto('message_pictures').values(contents.map((row) => ({ message_id: messageId, ...row }))).execute();
}

/** Stores the bytes of one message's pictures for another message, too. */
export async function copyPictures(queries: WriteQueries, from: string, to: string): Promise<void> {
  await queries
    .insertInto('message_pictures')
    .columns(['message_id', 'position', 'content'])
    .expression((builder) => builder.selectFrom('message_pictures').select(({ val }) => [val(to).as('message_id'), 'position', 'content']).where('message_id', '=', from))
    .execute();
}

/** The bytes of the pictures of these messages, in base64, by message and position. */
export async function contentsOf(queries: Queries | WriteQueries, messageIds: readonly string[]): Promise<Map<string, Map<number, string>>> {
  const contents = new Map<string, Map<number, string>>();
  if (messageIds.length === 0) return contents;
  const rows = await queries.selectFrom('message_pictures').selectAll().where('message_id', 'in', [...messageIds]).execute();
  for (const row of rows) {
    const known = contents.get(row.message_id) ?? new Map<number, string>();
    contents.set(row.message_id, known.set(row.position, row.content));
  }
  return contents;
}

/** The bytes of one picture, in base64; undefined where there are none. */
export async function contentOf(queries: Queries, messageId: string, position: number): Promise<string | undefined> {
  const row = await queries.selectFrom('message_pictures').select('content').where('message_id', '=', messageId).where('position', '=', position).executeTakeFirst();
  return row?.content;
}

/** Stands for a picture that is not sent along. */
const leftOut = '[A picture was sent here; it is left out.]';

/**
 * A message as it was sent: its text and its pictures, in their order.
 * @param contents base64 by position; a picture that has none there is left out, and a note says so
 */
export function toParts(content: string, pictures: readonly KeptPicture[], contents: ReadonlyMap<number, string> | null): ContentPart[] {
  const parts: ContentPart[] = [];
  let at = 0;
  const addText = (end: number): void => {
    const text = content.slice(at, end).replace(/^\n/, at > 0 ? '' : '$&');
    if (text.trim() !== '') parts.push({ type: 'text', text });
    at = Math.max(at, end);
  };
  for (const [position, { type, url, detail, offset }] of pictures.entries()) {
    if (offset > at) addText(Math.min(offset, content.length));
    const base64 = contents?.get(position);
    const source = contents === null ? null : (url ?? (base64 === undefined ? null : `data:${type};base64,${base64}`));
    parts.push(source === null ? { type: 'text', text: leftOut } : { type: 'image', url: source, ...(detail ? { detail } : {}) });
  }
  addText(content.length);
  return parts;
}
