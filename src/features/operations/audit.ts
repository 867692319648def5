import type { Clock } from '../../base/clock.ts';
import { asParleyError, ParleyError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Log } from '../../base/observability/index.ts';
import type { Storage } from '../../base/storage/index.ts';
import { mayAdminister, type Viewer } from '../../core/accounts/index.ts';
import type { AuditEntry } from './types.ts';

/** Rows that are kept; older ones are deleted. */
export const keptEntries = 10_000;
/** Rows that may be too many for a while, so that not each act deletes one. */
const slack = 100;

/** Who acts. */
type Actor = Pick<Viewer, 'userId' | 'username' | 'via'>;

/** What administrators did. */
export interface Audit {
  /**
   * Does what an administrator wants and writes down that it was done, or with which error it was refused. What cannot be written down
   * is not done.
   * @param details no secrets
   * @throws {ParleyError} `forbidden`, and what `work` throws
   */
  act<Result>(viewer: Viewer, action: string, details: Record<string, unknown>, work: () => Promise<Result>): Promise<Result>;
  /** Writes down what has happened already; null for the server itself. */
  note(actor: Actor | null, action: string, details: Record<string, unknown>): Promise<void>;
  /** Newest first. @param before id of the entry below which the page begins */
  list(page: { limit: number; before?: string }): Promise<AuditEntry[]>;
}

/** @throws {ParleyError} `forbidden` for anyone who is no administrator, and for a credential that was made for less */
export function requireAdministrator(viewer: Viewer): void {
  if (!mayAdminister(viewer) || !viewer.scopes.includes('admin')) throw new ParleyError('forbidden', { message: 'Only an administrator may do this.' });
}

export function createAudit({ storage, clock, log }: { storage: Storage; clock: Clock; log: Log }): Audit {
  const write = async (actor: Actor | null, action: string, outcome: string, details: Record<string, unknown>): Promise<string> => {
    const id = newId();
    const row = { id, at: clock.now(), user_id: actor?.userId ?? null, username: actor?.username ?? 'the server', via: actor?.via ?? 'internal', action, outcome, details: JSON.stringify(details) };
    await storage.write(async (queries) => {
      await queries.insertInto('audit_log').values(row).execute();
      const beyond = await queries.selectFrom('audit_log').select('id').orderBy('id', 'desc').offset(keptEntries).limit(slack).execute();
      if (beyond.length === slack) await queries.deleteFrom('audit_log').where('id', '<=', beyond[0]!.id).execute();
    });
    log.info({ action, outcome, userId: row.user_id }, 'an administrator acted');
    return id;
  };
  return {
    note: async (actor, action, details) => void (await write(actor, action, 'ok', details)),
    async act(viewer, action, details, work) {
      requireAdministrator(viewer);
      const id = await write(viewer, action, 'begun', details);
      const end = async (outcome: string): Promise<void> => {
        try {
          await storage.write((queries) => queries.updateTable('audit_log').set({ outcome }).where('id', '=', id).execute());
        } catch (error) {
          log.error({ err: error, action }, 'how an act of an administrator ended could not be written down');
        }
      };
      try {
        const result = await work();
        await end('ok');
        return result;
      } catch (thrown) {
        await end(asParleyError(thrown).code);
        throw thrown;
      }
    },
    async list({ limit, before }) {
      let query = storage.read.selectFrom('audit_log').selectAll().orderBy('id', 'desc').limit(limit);
      if (before !== undefined) query = query.where('id', '<', before);
      return (await query.execute()).map((row) => ({
        id: row.id, at: row.at, userId: row.user_id, username: row.username, via: row.via, action: row.action, outcome: row.outcome,
        details: JSON.parse(row.details) as Record<string, unknown>,
      }));
    },
  };
}
