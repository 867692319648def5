import type { Log } from '../../base/observability/index.ts';
import type { CredentialCache } from './credential-cache.ts';

/** A credential that has just ended; null for all credentials of the user. */
export interface Revoked {
  userId: string;
  credentialId: string | null;
}

/** Tells the parts that hold something open for a credential that it has ended. Call it once the rows say so. */
export interface Revocations {
  onRevoked(listener: (revoked: Revoked) => void): () => void;
  credential(userId: string, credentialId: string): void;
  user(userId: string): void;
}

export function createRevocations(cache: CredentialCache, log: Log): Revocations {
  const listeners = new Set<(revoked: Revoked) => void>();
  const tell = (revoked: Revoked): void => {
    for (const listener of listeners) {
      try {
        listener(revoked);
      } catch (error) {
        log.error({ err: error }, 'A listener for revoked credentials failed');
      }
    }
  };
  return {
    onRevoked(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    credential(userId, credentialId) {
      cache.forgetCredential(credentialId);
      tell({ userId, credentialId });
    },
    user(userId) {
      cache.forgetUser(userId);
      tell({ userId, credentialId: null });
    },
  };
}
