/** What ChatGPT calls the file of the conversations inside of its archive. */
const wantedName = 'conversations.json';
/** The end of a ZIP file is looked for in this many bytes: its record and the longest comment. */
const endBytes = 65_557;

/** Sentences for what cannot be imported, before it is sent. */
export class UnreadableFile extends Error {}

/**
 * The file to import: of a ZIP archive, as ChatGPT sends it, the conversations in it, unpacked here; any other file as it is.
 * @throws {UnreadableFile} with a sentence for a person
 */
export async function fileToImport(file: File): Promise<Blob> {
  if (file.size === 0) throw new UnreadableFile('This file is empty.');
  const start = new DataView(await file.slice(0, 4).arrayBuffer());
  if (start.byteLength < 4 || start.getUint32(0, true) !== 0x04034b50) return file;
  try {
    return await conversationsIn(file);
  } catch (error) {
    if (error instanceof UnreadableFile) throw error;
    throw new UnreadableFile(`This archive cannot be read here. Unpack it, and choose ${wantedName} from it.`);
  }
}

/** Reads the list at the end of an archive (PKWARE's APPNOTE, 4.3) and unpacks one file of it. */
async function conversationsIn(file: File): Promise<Blob> {
  const tail = new DataView(await file.slice(Math.max(0, file.size - endBytes)).arrayBuffer());
  let end = tail.byteLength - 22;
  while (end >= 0 && tail.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) throw new RangeError('no end record');
  const count = tail.getUint16(end + 10, true);
  const listStart = tail.getUint32(end + 16, true);
  const list = new DataView(await file.slice(listStart, listStart + tail.getUint32(end + 12, true)).arrayBuffer());
  for (let at = 0, read = 0; read < count; read += 1) {
    const nameLength = list.getUint16(at + 28, true);
    const name = new TextDecoder().decode(new Uint8Array(list.buffer, at + 46, nameLength));
    if (name.split('/').at(-1) === wantedName) {
      return unpacked(file, { method: list.getUint16(at + 10, true), size: list.getUint32(at + 20, true), start: list.getUint32(at + 42, true) });
    }
    at += 46 + nameLength + list.getUint16(at + 30, true) + list.getUint16(at + 32, true);
  }
  throw new UnreadableFile(`There is no ${wantedName} in this archive.`);
}

async function unpacked(file: File, { method, size, start }: { method: number; size: number; start: number }): Promise<Blob> {
  const head = new DataView(await file.slice(start, start + 30).arrayBuffer());
  const from = start + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  const content = file.slice(from, from + size);
  if (method === 0) return content;
  if (method !== 8) throw new RangeError('packed in an unknown way');
  return new Response(content.stream().pipeThrough(new DecompressionStream('deflate-raw'))).blob();
}
