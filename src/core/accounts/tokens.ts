import { createHmac, timingSafeEqual } from 'node:crypto';
import { createDecoder, createSigner, createVerifier } from 'fast-jwt';
import type { Secrets } from '../../base/secrets.ts';
import type { Scope } from './types.ts';

/** What a token says. */
export interface TokenClaims {
  /** The row of the token. */
  tokenId: string;
  userId: string;
  username: string;
  scopes: readonly Scope[];
  /** Milliseconds since the epoch, in whole seconds. */
  issuedAt: number;
  /** Milliseconds since the epoch, in whole seconds. */
  expiresAt: number;
}

/** Makes and checks tokens: JWT (RFC 7519) signed with HS256. Everything is synchronous and off the thread pool. */
export interface Tokens {
  sign(claims: TokenClaims): { token: string; csrfToken: string };
  /**
   * What a token signed by this server says; null for any other text. Whether it was revoked and whether it has
   * expired is for the caller to see, in its row and by the clock.
   */
  read(token: string): { tokenId: string; userId: string; expiresAt: number; csrfToken: string } | null;
}

/** Our tokens have about 350 characters. */
const maxTokenLength = 2048;
const issuer = 'parley';

export function createTokens(secrets: Secrets): Tokens {
  const decode = createDecoder({ complete: true });
  const verifiers = new Map<string, (token: string) => unknown>();
  const verifierOf = (id: string): ((token: string) => unknown) | null => {
    const key = secrets.signingKey(id);
    if (!key) {
      verifiers.delete(id);
      return null;
    }
    let verifier = verifiers.get(id);
    if (!verifier) {
      // The expiry is checked against the row and our own clock, which tests can move.
      verifier = createVerifier({
        key: key.key, algorithms: ['HS256'], checkTyp: 'jwt', allowedIss: issuer, requiredClaims: ['iss', 'sub', 'jti', 'exp', 'iat'], ignoreExpiration: true,
      });
      verifiers.set(id, verifier);
    }
    return verifier;
  };

  return {
    sign(claims) {
      const { id, key } = secrets.signingKeys().current;
      const sign = createSigner({ key, algorithm: 'HS256', kid: id });
      const token = sign({
        iss: issuer, sub: claims.userId, jti: claims.tokenId, username: claims.username, scope: claims.scopes.join(' '),
        iat: Math.floor(claims.issuedAt / 1000), exp: Math.floor(claims.expiresAt / 1000),
      });
      return { token, csrfToken: csrfTokenOf(key, claims.tokenId) };
    },
    read(token) {
      if (token.length > maxTokenLength) return null;
      try {
        const header: unknown = decode(token).header;
        const keyId = typeof header === 'object' && header !== null && 'kid' in header && typeof header.kid === 'string' ? header.kid : null;
        const claims = keyId === null ? null : verifierOf(keyId)?.(token);
        const key = keyId === null ? null : secrets.signingKey(keyId);
        if (!key || typeof claims !== 'object' || claims === null) return null;
        const { jti, sub, exp } = claims as Record<string, unknown>;
        if (typeof jti !== 'string' || typeof sub !== 'string' || typeof exp !== 'number') return null;
        return { tokenId: jti, userId: sub, expiresAt: exp * 1000, csrfToken: csrfTokenOf(key.key, jti) };
      } catch {
        // fast-jwt throws for everything that is not a token of ours; which way it is wrong is nobody's business.
        return null;
      }
    },
  };
}

/**
 * The value that unsafe requests by cookie must repeat in a header: bound to the token, so that a cookie planted by
 * another page of the same site is of no use. The line break keeps it apart from what the key signs otherwise.
 */
function csrfTokenOf(key: Buffer, tokenId: string): string {
  return createHmac('sha256', key).update(`csrf\n${tokenId}`).digest('base64url');
}

/** Compares two texts without telling by the time where they differ. */
export function equalTexts(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
