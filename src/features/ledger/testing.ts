import { systemClock, type Clock } from '../../base/clock.ts';
import { newId } from '../../base/ids.ts';
import { silentLog } from '../../base/observability/index.ts';
import { openSecrets, type Secrets } from '../../base/secrets.ts';
import { userRow } from '../../base/storage/fixtures.ts';
import { openStorage, type Engine } from '../../base/storage/index.ts';
import { openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import { createLedger } from './ledger.ts';
import type { HederaSettings, Ledger, Transcript, TranscriptMessage, TrustedKeys } from './types.ts';

/** A ledger over a database, with a user whose transcripts it seals. */
export interface LedgerHouse {
  database: TestStorage;
  secrets: Secrets;
  ledger: Ledger;
  ownerId: string;
  /** What is added to the time of the machine, milliseconds: a clock that lies. */
  clockOff: number;
  /** Another instance on the same database, with a storage of its own. */
  another(changes?: { secrets?: Secrets; hedera?: HederaSettings | null }): Promise<Ledger>;
  transcript(changes?: Partial<Transcript>): Transcript;
  close(): Promise<void>;
}

export async function openLedgerHouse(engine: Engine = 'sqlite', hedera: HederaSettings | null = null): Promise<LedgerHouse> {
  const database = await openTestStorage(engine);
  const secrets = openSecrets(database.dataDir);
  const owner = userRow();
  await database.storage.write((queries) => queries.insertInto('users').values(owner).execute());
  const closers: (() => Promise<void>)[] = [];
  const clock: Clock = { now: () => systemClock.now() + house.clockOff, monotonic: () => systemClock.monotonic() };
  const house: LedgerHouse = {
    database, secrets, ownerId: owner.id, clockOff: 0,
    ledger: createLedger({ storage: database.storage, secrets, clock, log: silentLog(), settings: { hedera } }),
    async another(changes = {}) {
      // One process has one SQLite database open for writing; with PostgreSQL each instance has connections of its own.
      const storage = engine === 'sqlite' ? database.storage : openStorage({ ...database.options, instances: 'many' });
      if (storage !== database.storage) await storage.start();
      const ledger = createLedger({ storage, secrets: changes.secrets ?? secrets, clock, log: silentLog(), settings: { hedera: changes.hedera === undefined ? hedera : changes.hedera } });
      await ledger.start?.();
      closers.push(async () => {
        await ledger.stop?.();
        if (storage !== database.storage) await storage.stop();
      });
      return ledger;
    },
    transcript: (changes = {}) => talk(6, { ownerId: owner.id, startedAt: clock.now() - 60_000, ...changes }),
    async close() {
      await house.ledger.stop?.();
      for (const close of closers) await close();
      await database.close();
    },
  };
  await house.ledger.start?.();
  return house;
}

/** Two agents who agree on a journey, in so many messages. */
export function talk(count: number, changes: Partial<Transcript> = {}): Transcript {
  const startedAt = changes.startedAt ?? Date.now() - 60_000;
  const messages = Array.from({ length: count }, (_, index): TranscriptMessage => ({
    id: newId(), from: index % 2 === 0 ? '0.0.1001' : '0.0.2002', text: `Message ${index + 1}: shall we go by train? 🚆`, sentAt: startedAt + index * 1000, metadata: { aiModel: 'test/one', tokensUsed: index },
  }));
  return { id: newId(), ownerId: newId(), startedAt, endedAt: startedAt + count * 1000, metadata: { agents: ['0.0.1001', '0.0.2002'], topic: 'travel' }, messages, ...changes };
}

/** A copy of a file that can be changed in every place. */
export function copyOf<Value>(value: Value): DeepWritable<Value> {
  return structuredClone(value) as DeepWritable<Value>;
}

export type DeepWritable<Value> = Value extends readonly (infer Item)[] ? DeepWritable<Item>[] : Value extends object ? { -readonly [Name in keyof Value]: DeepWritable<Value[Name]> } : Value;

export const noKeys: TrustedKeys = { format: 'parley-ledger-keys', version: 1, ledger: null, keys: [] };
