import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { isoTime } from '../../../base/clock.ts';
import type { Job } from '../../../base/jobs/index.ts';
import { databaseWorkOf, type BackupFile, type StagedState } from '../../../features/operations/index.ts';
import { text, viewerFrom, wholeNumber, type DialectScope } from '../../shared/index.ts';
import type { UltimateParts } from '../parts.ts';

const success = z.literal(true);
const work = z.enum(['integrity', 'vacuum', 'analyze', 'backup']);
const databaseAnswer = z.object({
  success, engine: z.enum(['sqlite', 'postgres']), bytes: z.int().describe('On the disk, logs of writing included'),
  tables: z.array(z.object({ name: z.string(), rows: z.int(), bytes: z.int().describe('Its indexes included') })),
});
const jobShapeOf = z.object({
  id: z.string(), work, state: z.enum(['waiting', 'running', 'done', 'failed', 'cancelled']), progress: z.number().nullable(),
  result: z.record(z.string(), z.unknown()).nullable(), error: z.string().nullable(), created_at: z.string(), ended_at: z.string().nullable(),
});
const jobAnswer = z.object({ success, job: jobShapeOf });
const backupShapeOf = z.object({ name: z.string(), bytes: z.int(), created_at: z.string(), origin: z.enum(['backup', 'before-restore']) });
const restoreShapeOf = z.object({ backup: z.string(), staged_by: z.string(), staged_at: z.string(), bytes: z.int(), applied: z.literal('at the next start') });
const backupPath = z.object({ backup: text({ min: 1, max: 100 }) });
const jobPath = z.object({ job_id: text({ min: 1, max: 100 }) });

/** Additions: the database, counted, checked, copied and put back. */
export function registerDatabase(scope: DialectScope, parts: UltimateParts): void {
  const { operations } = parts;
  scope.get('/api/v4/database', { schema: { summary: 'Addition: rows and bytes of every table', response: { 200: databaseAnswer } } }, async (request) => {
    const { engine, bytes, tables } = await operations.database(viewerFrom(request));
    return { success: true as const, engine, bytes, tables: tables.map((table) => ({ name: table.table, rows: table.rows, bytes: table.bytes })) };
  });
  registerJobs(scope, parts);
  registerBackups(scope, parts);
  registerRestore(scope, parts);
}

function registerJobs(scope: DialectScope, { operations }: UltimateParts): void {
  scope.post(
    '/api/v4/database/jobs',
    { schema: { summary: 'Addition: begins to check, compact, analyze or copy the database', description: 'One after another; the same work that goes on already is not begun twice.', body: z.object({ work }), response: { 202: jobAnswer } } },
    async (request, reply) => reply.code(202).send({ success: true as const, job: jobShape(await operations.beginWork(viewerFrom(request), request.body.work)) }),
  );
  scope.get(
    '/api/v4/database/jobs',
    { schema: { summary: 'Addition: such work, newest first', querystring: z.object({ limit: wholeNumber({ min: 1, max: 100, fallback: 20 }) }), response: { 200: z.object({ success, jobs: z.array(jobShapeOf) }) } } },
    async (request) => ({ success: true as const, jobs: (await operations.works(viewerFrom(request), request.query.limit)).map(jobShape) }),
  );
  scope.get('/api/v4/database/jobs/:job_id', { schema: { summary: 'Addition: how far such work is, and what came of it', params: jobPath, response: { 200: jobAnswer } } }, async (request) =>
    ({ success: true as const, job: jobShape(await operations.work(viewerFrom(request), request.params.job_id)) }));
  scope.delete('/api/v4/database/jobs/:job_id', { schema: { summary: 'Addition: cancels such work, as long as it waits', params: jobPath, response: { 200: jobAnswer } } }, async (request) =>
    ({ success: true as const, job: jobShape(await operations.cancelWork(viewerFrom(request), request.params.job_id)) }));
}

function registerBackups(scope: DialectScope, { operations }: UltimateParts): void {
  scope.get('/api/v4/database/backups', { schema: { summary: 'Addition: the copies of the database, newest first', response: { 200: z.object({ success, backups: z.array(backupShapeOf) }) } } }, async (request) =>
    ({ success: true as const, backups: (await operations.backups(viewerFrom(request))).map(backupShape) }));
  scope.get('/api/v4/database/backups/:backup', { schema: { summary: 'Addition: downloads a copy', params: backupPath } }, async (request, reply) => {
    const { name, bytes, path } = await operations.openBackup(viewerFrom(request), request.params.backup);
    request.streams = true;
    return reply.header('content-type', 'application/vnd.sqlite3').header('content-length', bytes).header('content-disposition', `attachment; filename="${name}"`).send(createReadStream(path, { end: Math.max(0, bytes - 1) }));
  });
  scope.delete('/api/v4/database/backups/:backup', { schema: { summary: 'Addition: deletes a copy', params: backupPath, response: { 200: z.object({ success }) } } }, async (request) => {
    await operations.deleteBackup(viewerFrom(request), request.params.backup);
    return { success: true as const };
  });
}

function registerRestore(scope: DialectScope, { operations }: UltimateParts): void {
  scope.get('/api/v4/database/restore', { schema: { summary: 'Addition: the copy that takes the place of the database at the next start', response: { 200: z.object({ success, restore: restoreShapeOf.nullable() }) } } }, async (request) => {
    const staged = await operations.stagedRestore(viewerFrom(request));
    return { success: true as const, restore: staged && restoreShape(staged) };
  });
  scope.post(
    '/api/v4/database/restore',
    {
      schema: {
        summary: 'Addition: checks a copy and lets it take the place of the database at the next start', description: 'What was there then is kept among the backups.',
        body: z.object({ backup: backupPath.shape.backup }), response: { 202: z.object({ success, restore: restoreShapeOf }) },
      },
    },
    async (request, reply) => reply.code(202).send({ success: true as const, restore: restoreShape(await operations.stageRestore(viewerFrom(request), request.body.backup)) }),
  );
  scope.delete('/api/v4/database/restore', { schema: { summary: 'Addition: lets the database be what it is', response: { 200: z.object({ success }) } } }, async (request) => {
    await operations.dropRestore(viewerFrom(request));
    return { success: true as const };
  });
}

function jobShape(job: Job): z.output<typeof jobShapeOf> {
  return {
    id: job.id, work: databaseWorkOf(job), state: job.state, progress: job.state === 'done' ? 1 : job.progress, result: job.result as Record<string, unknown> | null, error: job.error,
    created_at: isoTime(job.createdAt), ended_at: job.endedAt === null ? null : isoTime(job.endedAt),
  };
}

function backupShape({ name, bytes, createdAt, origin }: BackupFile): z.output<typeof backupShapeOf> {
  return { name, bytes, created_at: isoTime(createdAt), origin };
}

function restoreShape({ backup, by, stagedAt, bytes }: StagedState): z.output<typeof restoreShapeOf> {
  return { backup, staged_by: by, staged_at: isoTime(stagedAt), bytes, applied: 'at the next start' };
}
