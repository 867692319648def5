import { open } from 'node:fs/promises';

/**
 * Reads what a GGUF file says of itself (ggml-org/ggml, docs/gguf.md), without the engine: listing the models folder
 * must not load it. Arrays (the vocabulary among them) are passed over, so this takes milliseconds and little memory.
 */
export interface GgufMetadata {
  /** Numbers, texts and flags by key, such as `general.architecture`. Texts over 64 KiB and arrays are left out. */
  values: Map<string, string | number | boolean>;
  /** False when the bytes ended before the metadata did: the values so far are right, later keys are missing. */
  complete: boolean;
}

/** The file is no GGUF file, or one this server cannot use; the message says why, for a person. */
export class GgufError extends Error {}

const longestKey = 65_535;
const longestText = 65_536;
const mostEntries = 100_000;
const deepestArray = 4;
const blockSize = 1 << 20;
/** The vocabulary and its merges make up nearly all of the metadata: some megabytes. */
const mostBytes = 256 << 20;

/** Sizes in bytes of the value types of fixed size, by their number in the file. */
const fixedSizes = new Map([
  [0, 1],
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 4],
  [5, 4],
  [6, 4],
  [7, 1],
  [10, 8],
  [11, 8],
  [12, 8],
]);
const typeText = 8;
const typeArray = 9;

/** Whether bytes begin like a GGUF file. */
export function hasGgufMagic(bytes: Buffer): boolean {
  return bytes.length >= 4 && bytes.toString('latin1', 0, 4) === 'GGUF';
}

/** @throws {GgufError} when the file is not GGUF; system errors when it cannot be read */
export async function readGgufMetadata(path: string): Promise<GgufMetadata> {
  const file = await open(path, 'r');
  try {
    return await parse(
      new Reader(async (position) => {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(blockSize), 0, blockSize, position);
        return buffer.subarray(0, bytesRead);
      }),
    );
  } finally {
    await file.close();
  }
}

/** The same for the first bytes of a file, as they come from a server. @throws {GgufError} */
export async function parseGgufMetadata(head: Buffer): Promise<GgufMetadata> {
  return parse(new Reader(async (position) => head.subarray(position, position + blockSize)));
}

async function parse(reader: Reader): Promise<GgufMetadata> {
  const values: GgufMetadata['values'] = new Map();
  const magic = await reader.take(8).catch(asTooShort);
  if (!hasGgufMagic(magic)) throw new GgufError('This is not a GGUF file: it does not begin with "GGUF".');
  const version = magic.readUInt32LE(4);
  if (version < 2 || version > 0xffff) throw new GgufError(`This GGUF file has version ${version >>> 0}, which cannot be read here.`);
  try {
    await reader.count();
    const entries = await reader.count();
    if (entries > mostEntries) throw new GgufError(`This GGUF file claims ${entries} metadata entries.`);
    for (let entry = 0; entry < entries; entry += 1) {
      const key = await reader.text(longestKey);
      const value = await readValue(reader, (await reader.take(4)).readUInt32LE(), 0);
      if (key !== null && value !== null) values.set(key, value);
    }
  } catch (error) {
    if (error instanceof EndOfBytes) return { values, complete: false };
    throw error;
  }
  return { values, complete: true };
}

/** The value; null for arrays and long texts, which are passed over. */
async function readValue(reader: Reader, type: number, depth: number): Promise<string | number | boolean | null> {
  if (type === typeText) return reader.text(longestText);
  if (type === typeArray) {
    if (depth >= deepestArray) throw new GgufError('This GGUF file has arrays nested too deeply.');
    const elementType = (await reader.take(4)).readUInt32LE();
    const length = await reader.count();
    const size = fixedSizes.get(elementType);
    if (size !== undefined) reader.skip(length * size);
    else for (let element = 0; element < length; element += 1) await readElement(reader, elementType, depth);
    return null;
  }
  const size = fixedSizes.get(type);
  if (size === undefined) throw new GgufError(`This GGUF file has a metadata value of unknown type ${type}.`);
  return decode(type, await reader.take(size));
}

function readElement(reader: Reader, type: number, depth: number): Promise<unknown> | void {
  return type === typeText ? reader.skipText() : readValue(reader, type, depth + 1).then(() => undefined);
}

function decode(type: number, bytes: Buffer): number | boolean {
  switch (type) {
    case 0:
      return bytes.readUInt8();
    case 1:
      return bytes.readInt8();
    case 2:
      return bytes.readUInt16LE();
    case 3:
      return bytes.readInt16LE();
    case 4:
      return bytes.readUInt32LE();
    case 5:
      return bytes.readInt32LE();
    case 6:
      return bytes.readFloatLE();
    case 7:
      return bytes.readUInt8() !== 0;
    case 10:
      return Number(bytes.readBigUInt64LE());
    case 11:
      return Number(bytes.readBigInt64LE());
    default:
      return bytes.readDoubleLE();
  }
}

class EndOfBytes extends Error {}

function asTooShort(error: unknown): never {
  throw error instanceof EndOfBytes ? new GgufError('This is not a GGUF file: it is too short.') : error;
}

/** Reads forward through blocks fetched as they are needed. */
class Reader {
  readonly #fetch: (position: number) => Promise<Buffer>;
  #block: Buffer = Buffer.alloc(0);
  /** Position in the file of the block's first byte, and of the next byte within the block. */
  #start = 0;
  #at = 0;

  constructor(fetch: (position: number) => Promise<Buffer>) {
    this.#fetch = fetch;
  }

  /** At most one block. */
  async take(size: number): Promise<Buffer> {
    if (this.#at + size > this.#block.length) {
      this.#start += this.#at;
      this.#at = 0;
      if (this.#start > mostBytes) throw new GgufError('The metadata of this GGUF file is too long.');
      this.#block = await this.#fetch(this.#start);
      if (this.#block.length < size) throw new EndOfBytes();
    }
    this.#at += size;
    return this.#block.subarray(this.#at - size, this.#at);
  }

  skip(size: number): void {
    this.#at += size;
    if (this.#at <= this.#block.length) return;
    this.#start += this.#at;
    this.#at = 0;
    this.#block = Buffer.alloc(0);
  }

  async count(): Promise<number> {
    const value = (await this.take(8)).readBigUInt64LE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new GgufError('This GGUF file claims an impossible length.');
    return Number(value);
  }

  /** Null when longer than `longest`. */
  async text(longest: number): Promise<string | null> {
    const length = await this.count();
    if (length <= longest) return (await this.take(length)).toString('utf8');
    this.skip(length);
    return null;
  }

  /** Passes over a text; without waiting when it lies in the block, because vocabularies have many. */
  skipText(): Promise<void> | void {
    if (this.#at + 8 > this.#block.length) return this.count().then((length) => this.skip(length));
    const length = this.#block.readUIntLE(this.#at, 6);
    this.#at += 8;
    this.skip(length);
  }
}
