import { createHash, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { bytesOfHex, hexOf, utf8 } from './bytes.ts';
import { sha256 } from './sha256.ts';

it.each([
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  ['abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1'],
])('has the hash that FIPS 180 publishes of %j', (text, hash) => {
  expect(hexOf(sha256(utf8(text)))).toBe(hash);
});

it('has the hash of OpenSSL for every length around its blocks, and for bytes in the middle of a buffer', () => {
  const bytes = Uint8Array.from(randomBytes(1000));
  for (let length = 0; length <= 300; length += 1) {
    const part = bytes.subarray(length, 2 * length);
    expect(hexOf(sha256(part)), `${length} bytes`).toBe(createHash('sha256').update(part).digest('hex'));
  }
});

it('has the hash of OpenSSL of what is large', () => {
  const bytes = Uint8Array.from(randomBytes(1_234_567));
  expect(sha256(bytes)).toEqual(bytesOfHex(createHash('sha256').update(bytes).digest('hex')));
});
