import { isoTime } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Log } from '../../base/observability/index.ts';
import { SecretsError, type Secrets } from '../../base/secrets.ts';
import type { LedgerKeysTable, Storage, WriteQueries } from '../../base/storage/index.ts';
import { newSigningKey, type SigningKey } from './signing.ts';
import type { TrustedKey } from './types.ts';

/** The keys that sign. There is one at a time; its private half is kept encrypted, and forgotten when it retires. */
export interface LedgerKeys {
  /** The present key, made when there is none. Call it in a transaction that holds the lock of the log. @throws {ParleyError} `conflict` when its private half cannot be decrypted */
  current(queries: WriteQueries, now: number): Promise<SigningKey>;
  /** Retires the present key and makes another. Call it under the same lock. */
  rotate(queries: WriteQueries, now: number): Promise<TrustedKey>;
  /** All public keys, the present one first. */
  list(): Promise<TrustedKey[]>;
  /** Encrypts the private half again when the server's secrets have changed. */
  reencrypt(): Promise<void>;
}

export function createLedgerKeys({ storage, secrets, log }: { storage: Storage; secrets: Secrets; log: Log }): LedgerKeys {
  const make = async (queries: WriteQueries, now: number): Promise<SigningKey> => {
    const key = newSigningKey();
    await queries.insertInto('ledger_keys').values({ id: key.id, public_key: key.publicKey, private_key: secrets.encrypt(key.privateKey, associatedWith(key.id)), created_at: now, retired_at: null }).execute();
    return key;
  };
  return {
    async current(queries, now) {
      const row = await queries.selectFrom('ledger_keys').selectAll().where('retired_at', 'is', null).executeTakeFirst();
      if (!row) return await make(queries, now);
      try {
        return { id: row.id, publicKey: row.public_key, privateKey: secrets.decrypt(row.private_key ?? '', associatedWith(row.id)) };
      } catch (error) {
        if (!(error instanceof SecretsError)) throw error;
        throw new ParleyError('conflict', { message: 'The key that signs transcripts cannot be read with the present secrets. Bring the old ones back, or make a new key with `parley ledger rotate`.', cause: error });
      }
    },
    async rotate(queries, now) {
      await queries.updateTable('ledger_keys').set({ retired_at: now, private_key: null }).where('retired_at', 'is', null).execute();
      const key = await make(queries, now);
      return { id: key.id, algorithm: 'Ed25519', public_key: key.publicKey, created_at: isoTime(now), retired_at: null };
    },
    async list() {
      const rows = await storage.read.selectFrom('ledger_keys').selectAll().execute();
      return rows.sort((one, other) => (other.retired_at ?? Infinity) - (one.retired_at ?? Infinity) || other.created_at - one.created_at).map(trustedKeyOf);
    },
    async reencrypt() {
      const row = await storage.read.selectFrom('ledger_keys').selectAll().where('retired_at', 'is', null).executeTakeFirst();
      const before = row?.private_key ?? null;
      if (!row || before === null || !secrets.isOutdated(before)) return;
      try {
        const after = secrets.encrypt(secrets.decrypt(before, associatedWith(row.id)), associatedWith(row.id));
        await storage.write((queries) => queries.updateTable('ledger_keys').set({ private_key: after }).where('id', '=', row.id).where('private_key', '=', before).execute());
      } catch (error) {
        if (!(error instanceof SecretsError)) throw error;
        log.warn({ err: error, key: row.id }, 'The key that signs transcripts cannot be read with the present secrets: nothing can be sealed');
      }
    },
  };
}

function trustedKeyOf({ id, public_key, created_at, retired_at }: LedgerKeysTable): TrustedKey {
  return { id, algorithm: 'Ed25519', public_key, created_at: isoTime(created_at), retired_at: retired_at === null ? null : isoTime(retired_at) };
}

/** Binds a ciphertext to its row. */
function associatedWith(id: string): string {
  return `ledger-key:${id}`;
}
