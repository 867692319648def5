import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { newSigningKey, signValue } from '../signing.ts';
import { canVerifyHere, isSigned, keyIdOf, signedBytes } from './signature.ts';

const key = newSigningKey();
const value = { second: 'ä 🚆', first: 1 };
const signature = signValue('log head', value, key.privateKey);

describe('A signature', () => {
  it('is checked here as OpenSSL checks it', async () => {
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(key.publicKey, 'base64url')]);
    const openssl = verify(null, signedBytes('log head', value), createPublicKey({ key: spki, format: 'der', type: 'spki' }), Buffer.from(signature, 'base64url'));
    expect(await isSigned('log head', { first: 1, second: 'ä 🚆' }, key.publicKey, signature)).toBe(openssl);
    expect(openssl).toBe(true);
  });

  it('is one of a purpose, of a value and of a key', async () => {
    expect(await isSigned('transcript seal', value, key.publicKey, signature)).toBe(false);
    expect(await isSigned('log head', { ...value, first: 2 }, key.publicKey, signature)).toBe(false);
    expect(await isSigned('log head', value, newSigningKey().publicKey, signature)).toBe(false);
  });

  it.each(['', 'x', `${signature}A`, signature.slice(0, -1), `${signature.slice(0, -1)}~`, `${signature.slice(0, -1)}=`])('in another form is none: %j', async (text) => {
    expect(await isSigned('log head', value, key.publicKey, text)).toBe(false);
  });

  it.each(['', 'x', key.publicKey.slice(1), '_'.repeat(43), `${key.publicKey.slice(0, -1)}!`])('by what is no key is none: %j', async (text) => {
    expect(await isSigned('log head', value, text, signature)).toBe(false);
    expect(keyIdOf(text)).not.toBe(key.id);
  });
});

describe('Where signatures cannot be checked', () => {
  it('says so: a page over plain HTTP has no cryptography', async () => {
    expect(await canVerifyHere()).toBe(true);
    vi.stubGlobal('crypto', {});
    expect(await canVerifyHere()).toBe(false);
    vi.unstubAllGlobals();
  });

  it('says so: an older browser knows no Ed25519', async () => {
    vi.stubGlobal('crypto', { subtle: { importKey: () => Promise.reject(new DOMException('Unrecognized name.', 'NotSupportedError')) } });
    expect(await canVerifyHere()).toBe(false);
    vi.unstubAllGlobals();
  });
});
