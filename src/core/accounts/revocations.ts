import type { Bus, BusMessage } from '../../base/events/index.ts';
import { newId } from '../../base/ids.ts';
import type { Log } from '../../base/observability/index.ts';
import type { CredentialCache } from './credential-cache.ts';

/** A credential that has just ended; null for all credentials of the user. */
export interface Revoked {
  userId: string;
  credentialId: string | null;
}

/** Topic of the bus on which an instance says what it has revoked. */
export const revocationTopic = 'revocations';

/**
 * Tells the parts that hold something open for a credential that it has ended. Call it once the rows say so. The other
 * instances are given a hint, and look at the rows every few seconds should it be lost.
 */
export interface Revocations {
  onRevoked(listener: (revoked: Revoked) => void): () => void;
  credential(userId: string, credentialId: string): void;
  user(userId: string): void;
  /** The same for what another instance has revoked: nobody is given a hint. */
  foreign(revoked: Revoked): void;
  /** Takes a message of `revocationTopic`; those of this process are known already. */
  hear(message: BusMessage): void;
}

export function createRevocations(cache: CredentialCache, log: Log, bus: Bus): Revocations {
  const origin = newId();
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
  const foreign = (revoked: Revoked): void => {
    if (revoked.credentialId === null) cache.forgetUser(revoked.userId);
    else cache.forgetCredential(revoked.credentialId);
    tell(revoked);
  };
  return {
    onRevoked(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    credential(userId, credentialId) {
      foreign({ userId, credentialId });
      bus.publish(revocationTopic, { type: 'revoked', origin, userId, credentialId });
    },
    user(userId) {
      foreign({ userId, credentialId: null });
      bus.publish(revocationTopic, { type: 'revoked', origin, userId, credentialId: null });
    },
    foreign,
    hear({ origin: from, userId, credentialId }) {
      if (from === origin || typeof userId !== 'string' || (typeof credentialId !== 'string' && credentialId !== null)) return;
      foreign({ userId, credentialId });
    },
  };
}
