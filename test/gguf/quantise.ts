/** How the numbers of a tensor are stored. Names and layouts are those of ggml. */
export type TensorType = 'f32' | 'f16' | 'q8_0' | 'q4_0';

/** Numbers that share one scale in the quantised types; rows must be multiples of it. */
const blockSize = 32;

interface TensorFormat {
  /** Number of the type in the file. */
  id: number;
  /** Value of `general.file_type` for a file mostly of this type. */
  fileType: number;
  encode(weights: Float32Array): Buffer;
  /** Bytes for `count` numbers. */
  size(count: number): number;
}

export const tensorFormats: Record<TensorType, TensorFormat> = {
  f32: {
    id: 0,
    fileType: 0,
    encode: (weights) => Buffer.from(weights.buffer, weights.byteOffset, weights.byteLength),
    size: (count) => count * 4,
  },
  f16: { id: 1, fileType: 1, encode: encodeHalf, size: (count) => count * 2 },
  q4_0: { id: 2, fileType: 2, encode: encodeFourBits, size: (count) => (count / blockSize) * 18 },
  q8_0: { id: 8, fileType: 7, encode: encodeEightBits, size: (count) => (count / blockSize) * 34 },
};

function encodeHalf(weights: Float32Array): Buffer {
  const halves = new Float16Array(weights);
  return Buffer.from(halves.buffer, halves.byteOffset, halves.byteLength);
}

/** A scale as half precision, then 32 signed bytes. */
function encodeEightBits(weights: Float32Array): Buffer {
  const output = Buffer.alloc((weights.length / blockSize) * 34);
  const scales = new Float16Array(1);
  const scaleBytes = Buffer.from(scales.buffer);
  for (let block = 0, at = 0; block < weights.length; block += blockSize, at += 34) {
    const values = weights.subarray(block, block + blockSize);
    let greatest = 0;
    for (const value of values) greatest = Math.max(greatest, Math.abs(value));
    const scale = greatest / 127;
    scales[0] = scale;
    scaleBytes.copy(output, at);
    for (let index = 0; index < blockSize; index += 1) {
      output.writeInt8(scale === 0 ? 0 : Math.round(values[index]! / scale), at + 2 + index);
    }
  }
  return output;
}

/**
 * A scale as half precision, then 16 bytes: byte i holds number i in its low and number i + 16 in its high four bits,
 * each stored with 8 added. The scale makes the value farthest from zero exactly -8.
 */
function encodeFourBits(weights: Float32Array): Buffer {
  const half = blockSize / 2;
  const output = Buffer.alloc((weights.length / blockSize) * 18);
  const scales = new Float16Array(1);
  const scaleBytes = Buffer.from(scales.buffer);
  for (let block = 0, at = 0; block < weights.length; block += blockSize, at += 18) {
    const values = weights.subarray(block, block + blockSize);
    let farthest = 0;
    for (const value of values) if (Math.abs(value) > Math.abs(farthest)) farthest = value;
    const scale = farthest / -8;
    const level = (value: number): number => (scale === 0 ? 8 : Math.min(15, Math.max(0, Math.round(value / scale) + 8)));
    scales[0] = scale;
    scaleBytes.copy(output, at);
    for (let index = 0; index < half; index += 1) {
      output[at + 2 + index] = level(values[index]!) | (level(values[index + half]!) << 4);
    }
  }
  return output;
}
