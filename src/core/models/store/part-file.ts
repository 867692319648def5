import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { ParleyError } from '../../../base/errors.ts';

/** A file that grows at its end while its checksum is computed. */
export interface PartFile {
  /** Bytes it has. */
  readonly size: number;
  append(bytes: Buffer): Promise<void>;
  /** Throws away what it has. */
  restart(): Promise<void>;
  /** SHA-256 of all it has, in hexadecimal; it can grow no more. Flushed to the disk. */
  seal(): Promise<string>;
  close(): Promise<void>;
}

const readSize = 1 << 20;

/**
 * Opens a part file, or makes an empty one. The checksum of what it already has is computed first.
 * @param longest bytes it may have; a longer one is begun anew
 * @throws {ParleyError} `storage_full`, `storage_unavailable`, `cancelled`
 */
export async function openPartFile(path: string, longest: number, signal: AbortSignal): Promise<PartFile> {
  const file = await named(() => open(path, 'a+'));
  try {
    const part = new GrowingFile(file);
    await part.readWhatIsThere(longest, signal);
    return part;
  } catch (error) {
    await file.close();
    throw error;
  }
}

class GrowingFile implements PartFile {
  readonly #file: FileHandle;
  #hash: Hash = createHash('sha256');
  size = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async readWhatIsThere(longest: number, signal: AbortSignal): Promise<void> {
    const { size } = await this.#file.stat();
    if (size > longest) return this.restart();
    const buffer = Buffer.allocUnsafe(readSize);
    while (this.size < size) {
      if (signal.aborted) throw new ParleyError('cancelled');
      const { bytesRead } = await this.#file.read(buffer, 0, readSize, this.size);
      if (bytesRead === 0) return;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.size += bytesRead;
    }
  }

  /** A write that fails half-way is undone, so that file and checksum stay together. */
  async append(bytes: Buffer): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) at += (await this.#file.write(bytes, at)).bytesWritten;
    } catch (error) {
      await this.#file.truncate(this.size).catch(() => undefined);
      throw diskError(error);
    }
    this.#hash.update(bytes);
    this.size += bytes.length;
  }

  async restart(): Promise<void> {
    await named(() => this.#file.truncate(0));
    this.#hash = createHash('sha256');
    this.size = 0;
  }

  async seal(): Promise<string> {
    await named(() => this.#file.sync());
    return this.#hash.digest('hex');
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function named<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    throw diskError(error);
  }
}

/** An error of the file system as one that may be shown. */
export function diskError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ParleyError('storage_full', {
      message: 'The disk of the models folder is full. Free some space and resume the download.',
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new ParleyError('storage_unavailable', { message: `The models folder cannot be written (${code}).`, cause: error });
  }
  return error;
}
