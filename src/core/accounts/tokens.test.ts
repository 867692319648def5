import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../base/ids.ts';
import { openSecrets, type Secrets } from '../../base/secrets.ts';
import { createTokens, type TokenClaims, type Tokens } from './tokens.ts';

let folder: string;
let secrets: Secrets;
let tokens: Tokens;
let claims: TokenClaims;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-tokens-'));
  secrets = openSecrets(folder);
  tokens = createTokens(secrets);
  claims = { tokenId: newId(), userId: newId(), username: 'ada', scopes: ['read', 'chat'], issuedAt: 1_900_000_000_000, expiresAt: 1_900_003_600_000 };
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A token with any header and claims, signed with any key: what an attacker could send. */
function forge(header: object, payload: object, key: Buffer | null): string {
  const input = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${key ? createHmac('sha256', key).update(input).digest('base64url') : ''}`;
}

function partsOf(token: string): { header: Record<string, unknown>; payload: Record<string, unknown> } {
  const [header, payload] = token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>);
  return { header: header!, payload: payload! };
}

describe('a token', () => {
  it('is a JWT that names its user, its row, its key and its end', () => {
    const { header, payload } = partsOf(tokens.sign(claims).token);
    expect(header).toEqual({ alg: 'HS256', typ: 'JWT', kid: secrets.signingKeys().current.id });
    expect(payload).toEqual({ iss: 'parley', sub: claims.userId, jti: claims.tokenId, username: 'ada', scope: 'read chat', iat: 1_900_000_000, exp: 1_900_003_600 });
  });

  it('is read by any process with the same secrets', () => {
    const { token, csrfToken } = tokens.sign(claims);
    expect(createTokens(openSecrets(folder)).read(token)).toEqual({ tokenId: claims.tokenId, userId: claims.userId, expiresAt: claims.expiresAt, csrfToken });
  });

  it('stays good when the signing key is rotated, until old keys are forgotten', () => {
    const { token } = tokens.sign(claims);
    secrets.rotate();
    expect(tokens.read(token)?.tokenId).toBe(claims.tokenId);
    expect(partsOf(tokens.sign(claims).token).header['kid']).not.toBe(partsOf(token).header['kid']);
    secrets.rotate({ forgetSigningKeys: true });
    expect(tokens.read(token)).toBeNull();
  });

  it('is refused with any bit changed', () => {
    const { token } = tokens.sign(claims);
    for (let at = 0; at < token.length - 1; at += 1) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      expect(tokens.read(changed), `changed at ${at}`).toBeNull();
    }
  });

  it('is refused without a signature, with another algorithm, key, issuer or type, and with claims missing', () => {
    const { id, key } = secrets.signingKeys().current;
    const { payload } = partsOf(tokens.sign(claims).token);
    const header = { alg: 'HS256', typ: 'JWT', kid: id };
    expect(tokens.read(forge(header, payload, key))?.tokenId).toBe(claims.tokenId);

    expect(tokens.read(forge({ ...header, alg: 'none' }, payload, null))).toBeNull();
    expect(tokens.read(forge({ ...header, alg: 'none' }, payload, key))).toBeNull();
    expect(tokens.read(forge({ ...header, alg: 'HS384' }, payload, key))).toBeNull();
    expect(tokens.read(forge({ ...header, alg: 'RS256' }, payload, key))).toBeNull();
    expect(tokens.read(forge(header, payload, Buffer.alloc(32)))).toBeNull();
    expect(tokens.read(forge(header, payload, null))).toBeNull();
    for (const kid of ['unknown', '', 7, undefined, '__proto__']) expect(tokens.read(forge({ ...header, kid }, payload, key))).toBeNull();
    expect(tokens.read(forge({ ...header, typ: 'other' }, payload, key))).toBeNull();
    expect(tokens.read(forge({ ...header, crit: ['exp'] }, payload, key))).toBeNull();
    expect(tokens.read(forge(header, { ...payload, iss: 'else' }, key))).toBeNull();
    for (const claim of ['iss', 'sub', 'jti', 'exp', 'iat']) expect(tokens.read(forge(header, { ...payload, [claim]: undefined }, key)), claim).toBeNull();
    for (const claim of ['sub', 'jti', 'exp']) expect(tokens.read(forge(header, { ...payload, [claim]: [1] }, key)), claim).toBeNull();
  });

  it.each(['', '.', '..', 'a.b.c', 'not a token', '{}.{}.{}', 'e30.e30.e30', 'A'.repeat(5000), '\0', 'bnVsbA.bnVsbA.bnVsbA'])('is not: %s', (text) => {
    expect(tokens.read(text)).toBeNull();
  });
});

describe('the CSRF token', () => {
  it('belongs to one token and one signing key', () => {
    const first = tokens.sign(claims).csrfToken;
    expect(tokens.sign(claims).csrfToken).toBe(first);
    expect(tokens.sign({ ...claims, tokenId: newId() }).csrfToken).not.toBe(first);
    secrets.rotate();
    expect(tokens.sign(claims).csrfToken).not.toBe(first);
  });
});
