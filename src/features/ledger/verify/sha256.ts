import type { Bytes } from './bytes.ts';

/*
 * SHA-256 as in FIPS 180-4, section 6.2. Browsers offer it only as a promise for each hash, and not at all on pages that came
 * over plain HTTP from another machine; a transcript takes several for each message. sha256.test.ts holds it against OpenSSL's.
 */

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes (section 4.2.2). */
const roundConstants = Uint32Array.from(primes(64), (prime) => fractionOf(prime, 3n));
/** The same of the square roots of the first 8 (section 5.3.3). */
const startState = Uint32Array.from(primes(8), (prime) => fractionOf(prime, 2n));

const blockBytes = 64;
/** Of the length of the message at its end. */
const lengthBytes = 8;

/** The hash of a message. */
export function sha256(message: Bytes): Bytes {
  const state = startState.slice();
  const schedule = new Uint32Array(64);
  const whole = message.length - (message.length % blockBytes);
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  for (let at = 0; at < whole; at += blockBytes) addBlock(state, schedule, view, at);
  const end = endOf(message, whole);
  for (let at = 0; at < end.byteLength; at += blockBytes) addBlock(state, schedule, end, at);
  const hash = new DataView(new ArrayBuffer(4 * state.length));
  for (const [index, word] of state.entries()) hash.setUint32(4 * index, word);
  return new Uint8Array(hash.buffer);
}

/** What is left behind the whole blocks, with the padding (section 5.1.1): one or two blocks. */
function endOf(message: Bytes, from: number): DataView<ArrayBuffer> {
  const rest = message.length - from;
  const end = new Uint8Array(rest + 1 + lengthBytes <= blockBytes ? blockBytes : 2 * blockBytes);
  end.set(message.subarray(from));
  end[rest] = 0x80;
  const view = new DataView(end.buffer);
  view.setBigUint64(end.length - lengthBytes, BigInt(message.length) * 8n);
  return view;
}

/** One block (section 6.2.2). */
function addBlock(state: Uint32Array, schedule: Uint32Array, bytes: DataView, from: number): void {
  for (let t = 0; t < 16; t += 1) schedule[t] = bytes.getUint32(from + 4 * t);
  for (let t = 16; t < 64; t += 1) {
    const [near, far] = [schedule[t - 2]!, schedule[t - 15]!];
    const low = turned(far, 7) ^ turned(far, 18) ^ (far >>> 3);
    const high = turned(near, 17) ^ turned(near, 19) ^ (near >>> 10);
    schedule[t] = high + schedule[t - 7]! + low + schedule[t - 16]!;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
  for (let t = 0; t < 64; t += 1) {
    const first = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + roundConstants[t]! + schedule[t]!) | 0;
    const second = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

/** 32 bits, rotated to the right. */
function turned(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}

function primes(count: number): number[] {
  const found: number[] = [];
  for (let candidate = 2; found.length < count; candidate += 1) if (found.every((prime) => candidate % prime !== 0)) found.push(candidate);
  return found;
}

/** The first 32 bits of the fraction of a root, by whole numbers: of prime * 2^(32 * degree) the root has them at its end. */
function fractionOf(prime: number, degree: bigint): number {
  const scaled = BigInt(prime) << (32n * degree);
  let [low, high] = [0n, 1n << 40n];
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (middle ** degree <= scaled) low = middle;
    else high = middle;
  }
  return Number(low & 0xffff_ffffn);
}
