import { ParleyError } from '../../../base/errors.ts';
import type { Log } from '../../../base/observability/index.ts';
import type { Storage, WriteQueries } from '../../../base/storage/index.ts';
import type { Budgets, EndedCall } from '../../budgets/index.ts';

/** Most calls waiting; when the database cannot be written for so long, the oldest are given up. */
const mostWaiting = 10_000;
/** Calls in one transaction. */
const groupSize = 200;
/** Pause before a group is tried again when no other call comes, milliseconds. */
const againMs = 2000;

interface UsageWriterParts {
  storage: Storage;
  budgets: Pick<Budgets, 'settle'>;
  log: Log;
}

/** Writes usage rows in groups, out of the way of the answers, and settles what was reserved for their calls. */
export interface UsageWriter {
  add(ended: EndedCall): void;
  /** Resolves when everything added before is stored, or cannot be stored now. */
  flush(): Promise<void>;
}

export function createUsageWriter(parts: UsageWriterParts): UsageWriter {
  const usage = new GroupedUsage(parts);
  return { add: (ended) => usage.add(ended), flush: () => usage.flush() };
}

class GroupedUsage implements UsageWriter {
  private readonly parts: UsageWriterParts;
  private waiting: EndedCall[] = [];
  private writing: Promise<void> | null = null;
  private timer: NodeJS.Timeout | undefined;
  /** Whether the first that wait were given to the database before: their rows may be there. */
  private again = false;

  constructor(parts: UsageWriterParts) {
    this.parts = parts;
  }

  add(ended: EndedCall): void {
    this.waiting.push(ended);
    this.begin();
  }

  async flush(): Promise<void> {
    await this.writing;
    if (this.waiting.length > 0) await this.write();
    clearTimeout(this.timer);
  }

  private begin(): void {
    this.writing ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.write());
  }

  private async write(): Promise<void> {
    clearTimeout(this.timer);
    while (this.waiting.length > 0) {
      const calls = this.waiting.splice(0, groupSize);
      try {
        await this.store(calls).catch((error: unknown) => {
          if (mayPass(error)) throw error;
          return this.storeApart(calls);
        });
        this.again = false;
      } catch (error) {
        this.parts.log.error({ err: error, calls: calls.length }, 'usage could not be stored; trying again');
        this.waiting = [...calls, ...this.waiting].slice(-mostWaiting);
        this.again = true;
        this.timer = setTimeout(() => this.begin(), againMs).unref();
        break;
      }
    }
    this.writing = null;
  }

  private store(calls: readonly EndedCall[]): Promise<void> {
    return this.parts.storage.write(async (queries) => {
      const fresh = this.again ? await withoutStored(queries, calls) : calls;
      await this.parts.budgets.settle(queries, fresh);
      const rows = fresh.flatMap(({ usage }) => usage ?? []);
      if (rows.length > 0) await queries.insertInto('usage').values(rows).execute();
    });
  }

  /** One that can never be stored (its user is gone) must not keep the others waiting. */
  private async storeApart(calls: EndedCall[]): Promise<void> {
    for (let call = calls[0]; call; call = calls[0]) {
      try {
        await this.store([call]);
      } catch (error) {
        if (mayPass(error)) throw error;
        this.parts.log.error({ err: error, usage: call.usage?.id }, 'the usage of a call can never be stored and is given up');
        await this.free(call);
      }
      calls.shift();
    }
  }

  private async free(call: EndedCall): Promise<void> {
    const { storage, budgets, log } = this.parts;
    try {
      await storage.write((queries) => budgets.settle(queries, [{ ...call, usage: null }]));
    } catch (error) {
      if (mayPass(error)) throw error;
      log.error({ err: error }, 'what a call reserved could not be freed; it runs out by itself');
    }
  }
}

/** Whether the same may work a little later. */
function mayPass(error: unknown): boolean {
  return error instanceof ParleyError && (error.code === 'storage_unavailable' || error.code === 'storage_full');
}

/** Of calls whose rows are there only the confirmation got lost: they are counted already, and hold nothing any more. */
async function withoutStored(queries: WriteQueries, calls: readonly EndedCall[]): Promise<EndedCall[]> {
  const ids = calls.flatMap(({ usage }) => usage?.id ?? []);
  const rows = ids.length === 0 ? [] : await queries.selectFrom('usage').select('id').where('id', 'in', ids).execute();
  const stored = new Set(rows.map((row) => row.id));
  return calls.map((call) => (call.usage !== null && stored.has(call.usage.id) ? { ...call, usage: null } : call));
}
