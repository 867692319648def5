import type { Clock } from '../../base/clock.ts';
import type { Bus } from '../../base/events/index.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Log } from '../../base/observability/index.ts';
import { isFromGivenKey } from '../../base/given-secrets.ts';
import { SecretsError, type Secrets } from '../../base/secrets.ts';
import type { Storage } from '../../base/storage/index.ts';
import type { Accounts } from './types.ts';

/** Keys of users for model services, encrypted. */
export interface ProviderKeys {
  set: Accounts['setProviderKey'];
  remove: Accounts['removeProviderKey'];
  list: Accounts['providerKeys'];
  get: Accounts['providerKey'];
  /** Encrypts again, with the current key, what older keys encrypted. The answer is how many rows it was. */
  reencrypt(): Promise<number>;
  /** @throws {SecretsError} when keys were encrypted with an ENCRYPTION_KEY that this server has not got */
  refuseOtherKey(): Promise<void>;
  /** Deletes such keys. The answer is how many there were. */
  forgetOtherKey(): Promise<number>;
}

const providerForm = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** Visible ASCII: a key travels in a header. */
const keyForm = /^[\x21-\x7e]{1,500}$/;
const maxPerUser = 50;
/** Of shorter keys the last characters would say too much. */
const shortestWithHint = 12;

/** The bus tells other instances on this topic that a user's keys have changed. */
const topic = 'provider-keys';
/** How long a row is remembered at most, milliseconds: every answer asks for keys, and a command line beside the server sends no hints. */
const rememberedMs = 3000;
const mostRemembered = 10_000;

/** Rows as they were read a moment ago. Ciphertexts: a key in the clear is kept by nobody. */
class RememberedRows {
  private readonly rows = new Map<string, { ciphertext: string | null; until: number }>();
  private readonly clock: Clock;
  /** Rises when rows may have changed: what was being read meanwhile is not remembered. */
  private changes = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  async get(userId: string, provider: string, read: () => Promise<string | null>): Promise<string | null> {
    const key = `${userId} ${provider}`;
    const known = this.rows.get(key);
    if (known && known.until > this.clock.monotonic()) return known.ciphertext;
    const { changes } = this;
    const ciphertext = await read();
    if (changes !== this.changes) return ciphertext;
    if (this.rows.size >= mostRemembered) this.rows.clear();
    this.rows.set(key, { ciphertext, until: this.clock.monotonic() + rememberedMs });
    return ciphertext;
  }

  clear(): void {
    this.changes += 1;
    this.rows.clear();
  }
}

export function createProviderKeys({ storage, secrets, clock, log, bus }: { storage: Storage; secrets: Secrets; clock: Clock; log: Log; bus: Bus }): ProviderKeys {
  const remembered = new RememberedRows(clock);
  bus.subscribe(topic, () => remembered.clear());
  const changed = (): void => bus.publish(topic, { type: 'changed' });
  return {
    async set(userId, provider, key) {
      const trimmed = checkKey(provider, key);
      const row = {
        user_id: userId, provider, ciphertext: secrets.encrypt(trimmed, associatedData(userId, provider)),
        hint: trimmed.length >= shortestWithHint ? trimmed.slice(-4) : '', created_at: clock.now(),
      };
      await storage.write(async (queries) => {
        const others = await queries.selectFrom('provider_keys').select('provider').where('user_id', '=', userId).where('provider', '<>', provider)
          .limit(maxPerUser).execute();
        if (others.length >= maxPerUser) throw new ParleyError('conflict', { message: `You have keys for ${maxPerUser} providers already. Remove one first.` });
        await queries.insertInto('provider_keys').values(row).onConflict((conflict) => conflict.columns(['user_id', 'provider'])
          .doUpdateSet({ ciphertext: row.ciphertext, hint: row.hint, created_at: row.created_at })).execute();
      });
      changed();
    },
    async remove(userId, provider) {
      if (!providerForm.test(provider)) return false;
      const { numDeletedRows } = await storage.write((queries) =>
        queries.deleteFrom('provider_keys').where('user_id', '=', userId).where('provider', '=', provider).executeTakeFirst());
      changed();
      return numDeletedRows > 0n;
    },
    async list(userId) {
      const rows = await storage.read.selectFrom('provider_keys').select(['provider', 'hint', 'created_at']).where('user_id', '=', userId).orderBy('provider').execute();
      return rows.map((row) => ({ provider: row.provider, hint: `…${row.hint}`, createdAt: row.created_at }));
    },
    async get(userId, provider) {
      if (!providerForm.test(provider)) return null;
      const ciphertext = await remembered.get(userId, provider, () => readCiphertext(storage, userId, provider));
      if (ciphertext === null) return null;
      try {
        return secrets.decrypt(ciphertext, associatedData(userId, provider));
      } catch (error) {
        if (!(error instanceof SecretsError)) throw error;
        log.error({ err: error, userId, provider }, 'A provider key cannot be decrypted; was secrets.json replaced?');
        throw new ParleyError('no_api_key', { message: `The stored API key for ${provider} cannot be read any more. Set it again in Settings.`, cause: error });
      }
    },
    async refuseOtherKey() {
      const unreadable = await ofOtherKey(storage, secrets);
      if (unreadable.length > 0) throw new SecretsError(otherKey(unreadable.length));
    },
    async forgetOtherKey() {
      const unreadable = await ofOtherKey(storage, secrets);
      for (const { user_id: userId, provider, ciphertext } of unreadable) {
        await storage.write((queries) => queries.deleteFrom('provider_keys').where('user_id', '=', userId).where('provider', '=', provider).where('ciphertext', '=', ciphertext).execute());
      }
      changed();
      return unreadable.length;
    },
    async reencrypt() {
      const rows = await storage.read.selectFrom('provider_keys').select(['user_id', 'provider', 'ciphertext']).execute();
      let renewed = 0;
      for (const row of rows.filter(({ ciphertext }) => secrets.isOutdated(ciphertext))) {
        if (await reencryptRow(storage, secrets, row, log)) renewed += 1;
      }
      changed();
      return renewed;
    },
  };
}

interface KeptKey {
  user_id: string;
  provider: string;
  ciphertext: string;
}

/** Keys that need an ENCRYPTION_KEY which is not there. */
async function ofOtherKey(storage: Storage, secrets: Secrets): Promise<KeptKey[]> {
  const rows = await storage.read.selectFrom('provider_keys').select(['user_id', 'provider', 'ciphertext']).execute();
  return rows.filter(({ ciphertext }) => isFromGivenKey(ciphertext) && !secrets.holdsKeyOf(ciphertext));
}

function otherKey(count: number): string {
  return (
    `${count} kept ${count === 1 ? 'key' : 'keys'} for model services ${count === 1 ? 'was' : 'were'} encrypted with another ENCRYPTION_KEY. ` +
    'Set that one again; to change it, set it as ENCRYPTION_KEY_BEFORE for one start. ' +
    'Where nobody has it any more, `parley secrets accept` forgets the keys it encrypted.'
  );
}

async function readCiphertext(storage: Storage, userId: string, provider: string): Promise<string | null> {
  const row = await storage.read.selectFrom('provider_keys').select('ciphertext').where('user_id', '=', userId).where('provider', '=', provider).executeTakeFirst();
  return row?.ciphertext ?? null;
}

/** Each row alone, and only if nobody has set another key meanwhile. */
async function reencryptRow(storage: Storage, secrets: Secrets, row: KeptKey, log: Log): Promise<boolean> {
  const associated = associatedData(row.user_id, row.provider);
  let ciphertext: string;
  try {
    ciphertext = secrets.encrypt(secrets.decrypt(row.ciphertext, associated), associated);
  } catch (error) {
    log.error({ err: error, userId: row.user_id, provider: row.provider }, 'A provider key cannot be decrypted and stays as it is');
    return false;
  }
  const { numUpdatedRows } = await storage.write((queries) => queries.updateTable('provider_keys').set({ ciphertext })
    .where('user_id', '=', row.user_id).where('provider', '=', row.provider).where('ciphertext', '=', row.ciphertext).executeTakeFirst());
  return numUpdatedRows > 0n;
}

/** Binds a ciphertext to its row: moved to another user or provider it cannot be decrypted. */
function associatedData(userId: string, provider: string): string {
  return `user:${userId}:provider:${provider}`;
}

function checkKey(provider: string, key: string): string {
  if (!providerForm.test(provider)) throw new ParleyError('invalid_request', { message: 'This is no name of a provider.', parameter: 'provider' });
  const trimmed = key.trim();
  if (!keyForm.test(trimmed)) {
    throw new ParleyError('validation_failed', { issues: [{ path: ['body', 'key'], message: 'key must have 1 to 500 visible ASCII characters', kind: 'invalid_format' }] });
  }
  return trimmed;
}
