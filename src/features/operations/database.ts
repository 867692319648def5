import { statfs } from 'node:fs/promises';
import { ParleyError } from '../../base/errors.ts';
import type { Job } from '../../base/jobs/index.ts';
import type { Maintenance } from '../../base/storage/index.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Backups } from './backups.ts';
import type { DatabaseWork, OperationsNeeds } from './types.ts';

/** Bytes that stay free beyond what a copy takes. */
const spareBytes = 50e6;

/** One kind for all of it, so that it is done one after another. */
const kind = 'database-work';

/** What PostgreSQL has tools of its own for. */
export const elsewhere = 'The database is PostgreSQL: back it up and restore it with its own tools, pg_dump and pg_restore.';

/** Long work on the database, as durable jobs. */
export interface DatabaseWorks {
  /** The same work that waits or goes on already is not begun twice. @throws {ParleyError} `conflict`, `not_implemented`, `storage_full` */
  begin(viewer: Viewer, work: DatabaseWork): Promise<Job>;
  list(limit: number): Promise<Job[]>;
  /** @throws {ParleyError} `not_found` */
  get(id: string): Promise<Job>;
  cancel(id: string): Promise<Job>;
}

/** @param backups null where the database is no file of this machine */
export function createDatabaseWorks({ storage, jobs, clock, metrics, dataDir }: OperationsNeeds, backups: Backups | null): DatabaseWorks {
  const getJob = async (id: string): Promise<Job> => {
    const job = await jobs.get(id);
    if (job?.kind !== kind) throw new ParleyError('not_found', { message: 'There is no such job.' });
    return job;
  };
  const requireRoom = async (times: number): Promise<void> => {
    if (dataDir === null) return;
    const { bavail, bsize } = await statfs(dataDir);
    const needed = (await storage.sizeBytes()) * times + spareBytes;
    if (bavail * bsize < needed) throw new ParleyError('storage_full', { message: `About ${Math.ceil(needed / 1e6)} MB must be free for this, and ${Math.floor((bavail * bsize) / 1e6)} MB are. Nothing was done.` });
  };
  /** Running answers would wait for it, and their readers with them. */
  const requireQuiet = async (): Promise<void> => {
    const { values } = await metrics.turnsRunning.get();
    if (storage.engine === 'sqlite' && values.some(({ value }) => value > 0)) {
      throw new ParleyError('conflict', { message: 'Answers are being made, and would stand still while the database is written anew. Try again when they have ended.', retryAfterMs: 30_000 });
    }
  };
  const copy = async (name: string): Promise<Record<string, unknown>> => {
    if (!backups) throw new ParleyError('not_implemented', { message: elsewhere });
    // A try that was broken off behind its end has made it already: copies appear under their names when they are whole.
    if (!(await backups.list()).some((file) => file.name === name)) await storage.backup(await backups.pathOf(name));
    const { bytes } = await backups.get(name);
    return { backup: name, bytes };
  };
  const maintain = async (work: Maintenance): Promise<Record<string, unknown>> => {
    const bytesBefore = await storage.sizeBytes();
    if (work === 'vacuum') {
      await requireQuiet();
      await requireRoom(2);
    }
    await storage.maintain(work);
    return { bytesBefore, bytesAfter: await storage.sizeBytes() };
  };
  const check = async (): Promise<Record<string, unknown>> => {
    const problems = await storage.integrity();
    return { ok: problems.length === 0, problems: problems.slice(0, 100) };
  };
  jobs.register(kind, async (job, run) => {
    const { work, name } = job.payload as { work: DatabaseWork; name: string | null };
    run.signal.throwIfAborted();
    const began = clock.monotonic();
    // None of it says how far it is: SQLite and PostgreSQL do each in one go.
    await run.report(null, { begunAt: clock.now() });
    const result = work === 'backup' ? await copy(name!) : work === 'integrity' ? await check() : await maintain(work);
    return { ...result, durationMs: Math.round(clock.monotonic() - began) };
  });

  return {
    async begin(viewer, work) {
      if (work === 'backup' && !backups) throw new ParleyError('not_implemented', { message: elsewhere });
      const going = await goingOn(jobs, work);
      if (going) return going;
      if (work === 'vacuum') await requireQuiet();
      if (work === 'vacuum' || work === 'backup') await requireRoom(work === 'vacuum' ? 2 : 1);
      const payload = { work, name: work === 'backup' ? await backups!.newName(clock.now()) : null };
      const id = await jobs.enqueue({ kind, userId: viewer.userId, payload, maxAttempts: 2, dedupKey: `${kind} ${work}`, again: true });
      const begun = id === null ? await goingOn(jobs, work) : await getJob(id);
      if (!begun) throw new ParleyError('conflict', { message: 'Somebody else had begun the same, and it has just ended.' });
      return begun;
    },
    list: (limit) => jobs.list({ kind }, limit),
    get: getJob,
    async cancel(id) {
      await getJob(id);
      return (await jobs.cancel(id))!;
    },
  };
}

/** The job that does this work, or will. */
async function goingOn(jobs: OperationsNeeds['jobs'], work: DatabaseWork): Promise<Job | undefined> {
  return (await jobs.list({ kind, states: ['waiting', 'running'] }, 10)).find((job) => workOf(job) === work);
}

/** What a job of this kind does. */
export function workOf(job: Job): DatabaseWork {
  return (job.payload as { work: DatabaseWork }).work;
}
