import { ParleyError } from '../../../base/errors.ts';
import type { Storage } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import type { ContentPart, ModelMessage, PictureType, Target } from '../../models/index.ts';
import { openMessage } from '../access.ts';
import { contentOf, contentsOf, picturesOf, toParts, type KeptPicture } from './pictures.ts';
import type { Message } from '../types.ts';

/** Pictures that go along with one question, the newest of the conversation: services take no more, or want them smaller. */
const mostSent = 20;
/** Bytes of them together: services take requests of 32 MB. */
const mostBytesSent = 20_971_520;

/** A message of a history that has pictures. */
export interface Pictured {
  messageId: string;
  message: ModelMessage;
  pictures: readonly KeptPicture[];
}

/**
 * Gives the messages of a history their pictures back, the newest first, as many as go along; a note stands for the others,
 * and for all of them where the model is known not to see.
 * @param pictured newest first; the first may be the question
 * @throws {ParleyError} `unsupported_value` when the question itself has pictures that the model does not see
 */
export async function addPictures(storage: Pick<Storage, 'read'>, pictured: readonly Pictured[], question: ModelMessage | undefined, target: Target): Promise<void> {
  if (pictured.length === 0) return;
  const isBlind = target.seesPictures === false;
  if (isBlind && pictured.some(({ message }) => message === question)) throw blind(target);
  let count = 0;
  let bytes = 0;
  const sent = isBlind ? [] : pictured.filter(({ pictures }) => {
    count += pictures.length;
    bytes += pictures.reduce((sum, picture) => sum + (picture.bytes ?? 0), 0);
    return count <= mostSent && bytes <= mostBytesSent;
  });
  // A question's own pictures go along whatever their size: the service says what is too much.
  const first = pictured[0];
  if (!isBlind && first && first.message === question && !sent.includes(first)) sent.unshift(first);
  const contents = await contentsOf(storage.read, sent.map(({ messageId }) => messageId));
  for (const item of pictured) {
    const { message, messageId, pictures } = item;
    message.parts = toParts(message.content, pictures, sent.includes(item) ? (contents.get(messageId) ?? new Map()) : null);
  }
}

/** The error of a question with pictures to a model that is known not to see any. */
export function blind(target: Pick<Target, 'id'>): ParleyError {
  return new ParleyError('unsupported_value', { message: `${target.id} does not see pictures: choose a model that does, or leave them out.` });
}

/** One picture of a message, whose bytes are kept here. @throws {ParleyError} `not_found`, `forbidden` */
export async function readPicture({ storage }: { storage: Storage }, viewer: Viewer, messageId: string, position: number): Promise<{ type: PictureType; base64: string }> {
  const { message } = await openMessage(storage.read, viewer, messageId, 'read');
  const picture = picturesOf(message)[position];
  const content = picture?.type && (await contentOf(storage.read, message.id, position));
  if (!content) throw new ParleyError('not_found', { message: 'Picture not found' });
  return { type: picture.type!, base64: content };
}

/** A message with pictures as it was sent; undefined for one without. */
export async function readParts({ storage }: { storage: Storage }, viewer: Viewer, message: Pick<Message, 'id' | 'content' | 'pictures'>): Promise<ContentPart[] | undefined> {
  if (message.pictures.length === 0) return undefined;
  await openMessage(storage.read, viewer, message.id, 'read');
  return toParts(message.content, message.pictures, (await contentsOf(storage.read, [message.id])).get(message.id) ?? new Map());
}
