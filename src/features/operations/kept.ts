import { isGap, type Bus } from '../../base/events/index.ts';
import type { Log } from '../../base/observability/index.ts';
import type { Storage } from '../../base/storage/index.ts';

/** Where instances tell each other that something of this feature was changed. */
const topic = 'operations';

/** Values that all instances share, in rows that outlive a restart. */
export interface Kept {
  /** Reads all and has them used; called again whenever another instance has changed one. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /**
   * Changes one for all instances, and uses it here before this resolves. Of two who change it at the same time the second one
   * begins with what the first one has made of it.
   * @param next what is to be kept in place of what is kept; null forgets it. What it throws leaves all as it is
   */
  change(key: string, next: (kept: unknown) => unknown): Promise<void>;
}

/**
 * @param uses what to do with the value of each key; null where none is kept
 */
export function createKept({ storage, bus, log }: { storage: Storage; bus: Bus; log: Log }, uses: Readonly<Record<string, (value: unknown) => void | Promise<void>>>): Kept {
  const rowKey = (key: string): string => `operations.${key}`;
  let stopListening: (() => void) | null = null;
  let reading: Promise<void> = Promise.resolve();
  const read = async (): Promise<void> => {
    const keys = Object.keys(uses);
    const rows = await storage.read.selectFrom('settings').selectAll().where('key', 'in', keys.map(rowKey)).execute();
    for (const key of keys) {
      const row = rows.find((found) => found.key === rowKey(key));
      await uses[key]!(row ? parsed(row.value) : null);
    }
  };
  /** One after another, so that what is used last is what was read last. */
  const readAgain = (): Promise<void> => (reading = reading.catch(() => undefined).then(read));
  return {
    async start() {
      stopListening = bus.subscribe(topic, (message) => {
        if (message.type !== 'changed' && !isGap(message)) return;
        readAgain().catch((error: unknown) => log.warn({ err: error }, 'what another instance has changed could not be read'));
      });
      await bus.listening(topic);
      await readAgain();
    },
    async stop() {
      stopListening?.();
      stopListening = null;
      await reading.catch(() => undefined);
    },
    async change(key, next) {
      await storage.write(async (queries) => {
        // A row that is there can be locked; so it stays, also when nothing is kept in it.
        await queries.insertInto('settings').values({ key: rowKey(key), value: 'null' }).onConflict((conflict) => conflict.column('key').doNothing()).execute();
        const row = await queries.selectFrom('settings').select('value').where('key', '=', rowKey(key)).forUpdate().executeTakeFirstOrThrow();
        await queries.updateTable('settings').set({ value: JSON.stringify(next(parsed(row.value))) }).where('key', '=', rowKey(key)).execute();
      });
      await readAgain();
      bus.publish(topic, { type: 'changed', key });
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // Of another version: as if nothing were kept.
  }
}
