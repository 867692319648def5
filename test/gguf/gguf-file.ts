import { closeSync, openSync, writeSync } from 'node:fs';
import { tensorFormats, type TensorType } from './quantise.ts';

/**
 * Writes files in the GGUF format, version 3 (ggml-org/ggml, docs/gguf.md): magic, version, counts, metadata, a table
 * of tensors, then their bytes. Everything is little-endian.
 */

/** One metadata value with its type in the file. */
export type MetadataValue =
  | { type: 'uint32' | 'int32' | 'float32'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'strings'; value: readonly string[] }
  | { type: 'int32s'; value: readonly number[] };

/** A tensor to be written. */
export interface Tensor {
  name: string;
  /** Rows then columns for a matrix, as one writes it; the file holds them the other way round. */
  shape: readonly number[];
  type: TensorType;
  /** Makes the numbers, row after row; called when the tensor is written, so that only one is in memory. */
  weights(): Float32Array;
}

const version = 3;
const alignment = 32;
const typeIds = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;

/** Writes the file, replacing one of this name. Returns its size in bytes. */
export function writeGgufFile(path: string, metadata: ReadonlyMap<string, MetadataValue>, tensors: readonly Tensor[]): number {
  const file = openSync(path, 'w');
  let written = 0;
  const write = (bytes: Buffer): void => {
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
    written += bytes.length;
  };
  const pad = (): void => write(Buffer.alloc(aligned(written) - written));
  try {
    write(Buffer.concat([header(metadata.size, tensors.length), ...encodeMetadata(metadata), ...tensorTable(tensors)]));
    pad();
    for (const tensor of tensors) {
      write(tensorFormats[tensor.type].encode(tensor.weights()));
      pad();
    }
  } finally {
    closeSync(file);
  }
  return written;
}

function header(metadataCount: number, tensorCount: number): Buffer {
  return Buffer.concat([Buffer.from('GGUF', 'latin1'), uint32(version), uint64(tensorCount), uint64(metadataCount)]);
}

function encodeMetadata(metadata: ReadonlyMap<string, MetadataValue>): Buffer[] {
  return [...metadata].flatMap(([key, entry]) => [text(key), ...encodeValue(entry)]);
}

function encodeValue(entry: MetadataValue): Buffer[] {
  switch (entry.type) {
    case 'uint32':
      return [uint32(typeIds.uint32), uint32(entry.value)];
    case 'int32':
      return [uint32(typeIds.int32), int32(entry.value)];
    case 'float32':
      return [uint32(typeIds.float32), float32(entry.value)];
    case 'bool':
      return [uint32(typeIds.bool), Buffer.from([entry.value ? 1 : 0])];
    case 'string':
      return [uint32(typeIds.string), text(entry.value)];
    case 'strings':
      return [...arrayHead(typeIds.string, entry.value.length), ...entry.value.map(text)];
    case 'int32s':
      return [...arrayHead(typeIds.int32, entry.value.length), ...entry.value.map(int32)];
  }
}

function arrayHead(elementType: number, length: number): Buffer[] {
  return [uint32(typeIds.array), uint32(elementType), uint64(length)];
}

function tensorTable(tensors: readonly Tensor[]): Buffer[] {
  let offset = 0;
  return tensors.flatMap((tensor) => {
    const format = tensorFormats[tensor.type];
    const entry = [
      text(tensor.name),
      uint32(tensor.shape.length),
      ...[...tensor.shape].reverse().map(uint64),
      uint32(format.id),
      uint64(offset),
    ];
    offset = aligned(offset + format.size(tensor.shape.reduce((product, size) => product * size, 1)));
    return entry;
  });
}

function aligned(size: number): number {
  return Math.ceil(size / alignment) * alignment;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function float32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([uint64(bytes.length), bytes]);
}
