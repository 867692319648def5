import type { Viewer } from './types.ts';

/** A credential whose rows were read and found good. */
export interface KnownCredential {
  kind: 'token' | 'api-key';
  credentialId: string;
  userId: string;
  /** The same viewer for every request, so that a known credential costs no memory. */
  viewer: Viewer;
  /** The viewer of the same token in the cookie; null for API keys, which are no cookies. */
  cookieViewer: Viewer | null;
  /** Milliseconds since the epoch; null for never. */
  expiresAt: number | null;
  /** What requests by cookie must repeat; null for API keys. */
  csrfToken: string | null;
  /** API keys: what the row says, or what we wrote since. Milliseconds since the epoch. */
  lastUsedAt: number | null;
}

/**
 * Credentials that were seen lately, by the SHA-256 of their text, so that most requests need no query. What this
 * process revokes is forgotten at once; what another one revokes (the command line, another instance) is noticed
 * within `maxAgeMs`, when the rows are read again.
 */
export interface CredentialCache {
  get(digest: string): KnownCredential | null;
  /** Call it before the rows are read, and give the answer to `add`. */
  readonly generation: number;
  /** Keeps a credential, unless anything was forgotten while its rows were being read: they may be old by now. */
  add(digest: string, credential: KnownCredential, generation: number): void;
  forgetCredential(credentialId: string): void;
  forgetUser(userId: string): void;
}

/**
 * @param monotonic milliseconds of a clock that never jumps
 * @param capacity beyond it the credential that was not used for the longest time is forgotten
 */
export function createCredentialCache(monotonic: () => number, capacity = 10_000, maxAgeMs = 10_000): CredentialCache {
  const entries = new Map<string, { credential: KnownCredential; readAt: number }>();
  let generation = 0;
  const forget = (isMeant: (credential: KnownCredential) => boolean): void => {
    generation += 1;
    for (const [digest, { credential }] of entries) if (isMeant(credential)) entries.delete(digest);
  };
  return {
    get(digest) {
      const entry = entries.get(digest);
      if (!entry) return null;
      entries.delete(digest);
      if (monotonic() - entry.readAt >= maxAgeMs) return null;
      entries.set(digest, entry);
      return entry.credential;
    },
    get generation() {
      return generation;
    },
    add(digest, credential, readIn) {
      if (readIn !== generation) return;
      entries.delete(digest);
      entries.set(digest, { credential, readAt: monotonic() });
      if (entries.size > capacity) entries.delete(entries.keys().next().value!);
    },
    forgetCredential: (id) => forget((credential) => credential.credentialId === id),
    forgetUser: (id) => forget((credential) => credential.userId === id),
  };
}
