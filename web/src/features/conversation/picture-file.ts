/** Types that models read, and the server takes. */
const knownTypes = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
/** Bytes of a picture that is sent as it is; a larger one is made smaller here. The server takes 6 MB. */
const mostBytes = 4_000_000;
/** Longest side of a picture that was made smaller, pixels: models look at no more. */
const longestSide = 2048;

/** Most pictures of one message. */
export const mostPictures = 8;
/** Most characters of all pictures of a message, as the server takes them. */
export const mostPictureText = 15_000_000;

/** Why a file cannot be sent, for a person. */
export class PictureError extends Error {}

/** A picture as a data: address: as it is, or smaller, or in a type that models read. @throws {PictureError} */
export async function pictureFrom(file: File): Promise<string> {
  if (!file.type.startsWith('image/')) throw new PictureError(`${file.name} is no picture. Only pictures can be sent.`);
  if (knownTypes.has(file.type) && file.size <= mostBytes) return dataAddress(file);
  return dataAddress(await redrawn(file));
}

async function redrawn(file: File): Promise<Blob> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new PictureError(`${file.name} cannot be read by this browser. PNG, JPEG, GIF and WebP can be sent.`);
  });
  const scale = Math.min(1, longestSide / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext('2d');
  if (!context) throw new PictureError(`${file.name} cannot be made smaller by this browser.`);
  // JPEG knows no transparency: what is seen through is white, as on paper.
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.88));
  if (!blob) throw new PictureError(`${file.name} cannot be made smaller by this browser.`);
  return blob;
}

function dataAddress(content: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(String(reader.result)));
    reader.addEventListener('error', () => reject(new PictureError('The picture could not be read from this machine.')));
    reader.readAsDataURL(content);
  });
}
