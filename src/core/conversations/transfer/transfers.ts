import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../../../base/clock.ts';
import { ParleyError } from '../../../base/errors.ts';
import { isId, newId } from '../../../base/ids.ts';
import type { Job, JobRun, Jobs } from '../../../base/jobs/index.ts';
import type { Log } from '../../../base/observability/index.ts';
import type { Storage } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import { exportJson } from './exporting.ts';
import { readInThread } from './file-reader.ts';
import { importItems, type ImportReport } from './importing.ts';
import { exportMarkdown } from './markdown.ts';
import type { ImportCounts, ImportState, Transfers } from './types.ts';
import { keepUpload, oldUploads } from './uploads.ts';

export interface TransferOptions {
  storage: Storage;
  jobs: Jobs;
  clock: Clock;
  log: Log;
  /** Folder for files that wait to be imported; made by the first one. */
  folder: string;
  /** Bytes of one file. */
  maxBytes: number;
  /** Names the machine whose folder it is, where several servers share a database: its files are imported by it. @default one server */
  machine?: string | null;
}

const anyKind = 'conversation-import';
/** How many imports are listed. */
const mostListed = 50;
/** Files whose import ended, or never began, are looked for this often, milliseconds; younger ones may still be arriving. */
const tidyMs = 3_600_000;
/** How long cancelling waits for the import to stop, milliseconds. */
const cancelMs = 5000;

const payloadForm = z.object({ file: z.string().regex(/^[0-9a-f-]{36}\.json$/), username: z.string() });
const nothing: ImportReport = { counts: { imported: 0, present: 0, skipped: 0, messages: 0 }, entries: [], unlisted: 0 };

/** Conversations as files. Registers the handler of its jobs, so it is made before the jobs start. */
export function createTransfers(options: TransferOptions): Transfers {
  const { storage, jobs, clock, log, folder, maxBytes } = options;
  const kind = options.machine ? `${anyKind}@${options.machine}` : anyKind;
  let tidying: NodeJS.Timeout | undefined;
  jobs.register(kind, (job, run) => runImport(options, job, run));

  const jobOf = async (viewer: Viewer, importId: string): Promise<Job> => {
    const job = isId(importId) ? await jobs.get(importId) : null;
    if (!job || job.userId !== viewer.userId || job.kind.split('@', 1)[0] !== anyKind) throw new ParleyError('not_found', { message: 'There is no such import.' });
    return job;
  };
  const tidy = (): void => void removeEnded(options, kind).catch((error: unknown) => log.warn({ err: error }, 'files of ended imports could not be removed'));

  return {
    name: 'transfers',
    maxBytes,
    exportJson: (viewer, conversationId, signal = new AbortController().signal) => exportJson(storage, viewer, conversationId, clock.now(), signal),
    exportMarkdown: (viewer, conversationId, signal = new AbortController().signal) => exportMarkdown(storage, viewer, conversationId, signal),
    async importFile(viewer, file) {
      const going = await jobs.list({ kindOnAnyMachine: anyKind, userId: viewer.userId, states: ['waiting', 'running'] }, 1);
      if (going.length > 0) throw new ParleyError('conflict', { message: 'Another import of yours is still going on. Wait for it, or cancel it.' });
      const name = `${newId()}.json`;
      await keepUpload(folder, name, file, maxBytes);
      try {
        const id = await jobs.enqueue({ kind, userId: viewer.userId, payload: { file: name, username: viewer.username } });
        return toState((await jobs.get(id!))!);
      } catch (error) {
        await rm(join(folder, name), { force: true });
        throw error;
      }
    },
    imports: async (viewer) => (await jobs.list({ kindOnAnyMachine: anyKind, userId: viewer.userId }, mostListed)).map(toState),
    importState: async (viewer, importId) => toState(await jobOf(viewer, importId)),
    async cancelImport(viewer, importId) {
      const job = await jobOf(viewer, importId);
      await jobs.cancel(job.id);
      const ended = await jobs.wait(job.id, AbortSignal.timeout(cancelMs)).catch(() => null);
      if (ended && job.kind === kind) await rm(join(folder, payloadForm.parse(job.payload).file), { force: true });
      return toState(ended ?? (await jobOf(viewer, importId)));
    },
    async importNow(viewer, path, onProgress) {
      return importItems(storage, viewer, readInThread(path, new AbortController().signal), onProgress ? { onProgress } : {});
    },
    async start() {
      tidy();
      tidying = setInterval(tidy, tidyMs).unref();
    },
    async stop() {
      clearInterval(tidying);
    },
  };
}

async function runImport({ storage, folder }: TransferOptions, job: Job, run: JobRun): Promise<ImportReport> {
  const { file, username } = payloadForm.parse(job.payload);
  const path = join(folder, file);
  await access(path).catch(() => {
    throw new ParleyError('not_found', { message: 'The file to import is gone.' });
  });
  const user = await storage.read.selectFrom('users').select('role').where('id', '=', job.userId!).executeTakeFirst();
  if (!user) throw new ParleyError('not_found', { message: 'The account is gone.' });
  const viewer: Viewer = { userId: job.userId!, username, role: user.role, scopes: [], via: 'internal', credentialId: null, expiresAt: null };
  const items = readInThread(path, run.signal);
  try {
    const report = await importItems(storage, viewer, items, { jobId: job.id, onProgress: (progress, counts) => run.report(progress, counts) });
    await rm(path, { force: true });
    return report;
  } catch (error) {
    // A file that is wrong stays wrong: it will not be asked for again.
    if (error instanceof ParleyError && error.status < 500) await rm(path, { force: true });
    throw error;
  }
}

/** Removes files that no import waits for: the server may have ended while one arrived, or just after one was cancelled. */
async function removeEnded({ jobs, folder, clock }: TransferOptions, kind: string): Promise<void> {
  const old = await oldUploads(folder, tidyMs, clock.now());
  if (old.length === 0) return;
  const going = new Set((await jobs.list({ kind, states: ['waiting', 'running'] }, 1000)).map((job) => payloadForm.parse(job.payload).file));
  for (const name of old) if (!going.has(name)) await rm(join(folder, name), { force: true });
}

function toState(job: Job): ImportState {
  const report = job.state === 'done' ? (job.result as ImportReport) : nothing;
  const counts = job.state === 'done' ? report.counts : ((job.note as ImportCounts | null) ?? nothing.counts);
  return {
    id: job.id, state: job.state, progress: job.progress, counts, entries: report.entries, unlisted: report.unlisted, error: job.error, createdAt: job.createdAt, endedAt: job.endedAt,
  };
}
