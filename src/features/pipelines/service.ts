import { ParleyError } from '../../base/errors.ts';
import type { WriteQueries } from '../../base/storage/index.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { runBatch } from './batch.ts';
import { jobKind, work } from './executor.ts';
import { readFigures } from './figures.ts';
import { followRun } from './following.ts';
import { mostBatchMs, mostRunMs, mostWaiting, mostWaitingOfOne, runsAtOnce } from './limits.ts';
import { endRun, forgetOld, forgetRuns, insertRun, readRun, toRun, unknownRun } from './rows.ts';
import { topicOf } from './telling.ts';
import { stagesIn } from './templates.ts';
import type { NewRun, PipelineNeeds, Pipelines, PipelineSettings, Run } from './types.ts';

/** Batches of questions, and pipelines of models. */
export function createPipelines(needs: PipelineNeeds): Pipelines {
  const settings: PipelineSettings = { runsAtOnce, mostWaitingOfOne, mostWaiting, batchMs: mostBatchMs, runMs: mostRunMs, ...needs.settings };
  const { storage, jobs, bus } = needs;
  jobs.register(jobKind, (job, run) => work(needs, settings.runMs, job, run), settings.runsAtOnce);
  const own = async (viewer: Viewer, id: string): Promise<Run> => {
    const found = await readRun(storage.read, id, viewer.userId);
    if (!found) throw unknownRun();
    return found.run;
  };
  return {
    name: 'pipelines',
    start: () => endOrphans(needs),
    batch: (viewer, items, options, signal) => runBatch(needs, settings.batchMs, viewer, items, options, signal),
    async run(viewer, run) {
      check(run);
      await endOrphans(needs);
      const now = await storage.now();
      const id = await storage.write(async (queries) => {
        const { own: waiting } = await requireRoom(queries, viewer.userId, settings);
        const made = await insertRun(queries, viewer, run, now);
        // Who has many waiting comes behind whoever has few.
        const jobId = await jobs.add(queries, { kind: jobKind, userId: viewer.userId, payload: { runId: made }, priority: 0 - waiting });
        await queries.updateTable('pipeline_runs').set({ job_id: jobId }).where('id', '=', made).execute();
        await forgetOld(queries, viewer.userId, now);
        return made;
      });
      return own(viewer, id);
    },
    get: own,
    async list(viewer, { limit, offset }) {
      const rows = await storage.read.selectFrom('pipeline_runs').selectAll().where('owner_id', '=', viewer.userId).where('is_forgotten', '=', 0).orderBy('id', 'desc').limit(limit).offset(offset).execute();
      return rows.map(toRun);
    },
    async remove(viewer, id) {
      const found = await readRun(storage.read, id, viewer.userId);
      if (!found) throw unknownRun();
      const now = await storage.now();
      const isCancelled = await storage.write((queries) => endRun(queries, id, now, { state: 'cancelled' }));
      if (!isCancelled) {
        await storage.write((queries) => forgetRuns(queries, [id]));
        return found.run;
      }
      if (found.row.job_id !== null) await jobs.cancel(found.row.job_id);
      bus.publish(topicOf(id), { type: 'cancelled' });
      return own(viewer, id);
    },
    follow: (viewer, id, signal) => followRun(needs, viewer, id, signal),
    figures: (viewer) => readFigures(needs, settings, viewer),
  };
}

/** @throws {ParleyError} `queue_full` */
async function requireRoom(queries: WriteQueries, userId: string, { mostWaitingOfOne: ofOne, mostWaiting: ofAll }: PipelineSettings): Promise<{ own: number }> {
  const rows = await queries.selectFrom('pipeline_runs').select('owner_id').where('state', '=', 'waiting').limit(ofAll).execute();
  const own = rows.filter(({ owner_id: owner }) => owner === userId).length;
  if (own >= ofOne) throw new ParleyError('queue_full', { message: `${own} of your pipeline runs wait already. Try again when one has begun.` });
  if (rows.length >= ofAll) throw new ParleyError('queue_full', { message: `${rows.length} pipeline runs wait already. Try again later.` });
  return { own };
}

/** @throws {ParleyError} `invalid_request` */
function check({ kind, stages, join }: NewRun): void {
  const refuse = (message: string, parameter: string): never => {
    throw new ParleyError('invalid_request', { message, parameter });
  };
  const names = [...stages, ...(join ? [join] : [])].map(({ name }) => name);
  if (new Set(names).size < names.length) refuse('Every stage needs a name of its own.', 'stages');
  if (join && kind !== 'parallel') refuse('Only parallel pipelines are joined.', 'join');
  for (const [at, stage] of [...stages, ...(join ? [join] : [])].entries()) {
    const known = kind === 'sequential' || stage === join ? names.slice(0, at) : [];
    const unknown = stagesIn(stage.prompt).find((name) => !known.includes(name));
    if (unknown !== undefined) refuse(`The prompt of the stage ${stage.name} names ${unknown}, which is no stage before it whose whole output is known.`, stage === join ? 'join' : 'stages');
  }
}

/** Ends runs whose job has ended without them: it was begun again and again, and the server died each time. */
async function endOrphans({ storage }: PipelineNeeds): Promise<void> {
  const orphans = await storage.read.selectFrom('pipeline_runs').innerJoin('jobs', 'jobs.id', 'pipeline_runs.job_id').select('pipeline_runs.id')
    .where('pipeline_runs.state', 'in', ['waiting', 'running']).where('jobs.state', 'in', ['failed', 'cancelled']).limit(100).execute();
  if (orphans.length === 0) return;
  const now = await storage.now();
  const error = new ParleyError('internal', { message: 'The server ended during each try.' });
  await storage.write(async (queries) => {
    for (const { id } of orphans) await endRun(queries, id, now, { state: 'failed', error });
  });
}
