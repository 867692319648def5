import { z } from 'zod';
import { asParleyError, ParleyError } from '../../base/errors.ts';
import type { Job, JobRun } from '../../base/jobs/index.ts';
import type { PipelineRunsTable } from '../../base/storage/index.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { runKinds } from './kinds.ts';
import { endRun, readRun } from './rows.ts';
import { createTeller, topicOf } from './telling.ts';
import type { PipelineNeeds } from './types.ts';

export const jobKind = 'pipeline';
const payloadForm = z.object({ runId: z.string() });

/**
 * The job of one run: begins or goes on with it. Stages that are done are not run again. Stopped with its server the run waits for
 * the next one; stopped by its owner it has ended already.
 */
export async function work(needs: PipelineNeeds, runMs: number, job: Job, { signal }: JobRun): Promise<null> {
  const { storage, bus, log } = needs;
  const { runId } = payloadForm.parse(job.payload);
  const row = await begin(needs, runId);
  if (!row) return null;
  const teller = createTeller(bus, runId);
  teller.changed();
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  // Ended on another instance; the rows say the same, and the job notices within seconds where this is not heard.
  const leave = bus.subscribe(topicOf(runId), (message) => {
    if (message.type === 'cancelled') abort();
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    stop.abort();
  }, runMs);
  try {
    const viewer = await viewerOf(needs, row);
    const { stages } = (await readRun(storage.read, runId))!;
    const output = await runKinds[row.kind]({ needs, viewer, runId, input: row.input, stages, teller }, stop.signal);
    await storage.write(async (queries) => endRun(queries, runId, await storage.now(), { state: 'done', output }));
  } catch (thrown) {
    // A stopping server breaks calls of models off before it stops jobs.
    if (signal.aborted || (!isLate && thrown instanceof ParleyError && thrown.code === 'cancelled')) {
      if (!(await putBack(needs, runId, job))) return null;
      throw new ParleyError('shutting_down', { cause: thrown });
    }
    const error = isLate ? new ParleyError('provider_timeout', { message: `The run took longer than ${runMs / 1000} seconds.` }) : asParleyError(thrown);
    if (error.code === 'internal') log.error({ err: thrown, run: runId }, 'a pipeline run failed');
    const now = await storage.now();
    await storage.write((queries) => endRun(queries, runId, now, { state: 'failed', error }));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    leave();
    teller.changed();
  }
  return null;
}

/** Marks the run as running; null when it has ended meanwhile, or is gone. */
async function begin({ storage }: PipelineNeeds, runId: string): Promise<PipelineRunsTable | null> {
  const now = await storage.now();
  return storage.write(async (queries) => {
    const row = await queries.selectFrom('pipeline_runs').selectAll().where('id', '=', runId).where('state', 'in', ['waiting', 'running']).forUpdate().executeTakeFirst();
    if (!row) return null;
    const startedAt = row.started_at ?? now;
    await queries.updateTable('pipeline_runs').set({ state: 'running', started_at: startedAt }).where('id', '=', runId).execute();
    return { ...row, state: 'running', started_at: startedAt };
  });
}

/** The owner, in whose name and on whose account models are asked. @throws {ParleyError} `forbidden` when they may not any more */
async function viewerOf({ accounts }: PipelineNeeds, { owner_id: userId, api_key_id: keyId }: PipelineRunsTable): Promise<Viewer> {
  const user = await accounts.user(userId);
  if (!user || user.disabledAt !== null) throw new ParleyError('forbidden', { message: 'The account of this run is disabled.' });
  const common = { userId, username: user.username, role: user.role, scopes: ['read', 'write'] as const, expiresAt: null };
  if (keyId === null) return { ...common, via: 'internal', credentialId: null };
  if (!(await accounts.apiKeys(userId)).some(({ id }) => id === keyId)) throw new ParleyError('forbidden', { message: 'The API key that this run was begun with is revoked.' });
  return { ...common, via: 'api-key', credentialId: keyId };
}

/**
 * Lets a run wait again. False when it has ended, or is not this job's to put back: whoever was taken for dead and wakes up again
 * must not touch what another server works on by now.
 */
async function putBack({ storage }: PipelineNeeds, runId: string, { id, attempts }: Job): Promise<boolean> {
  const changed = await storage.write((queries) =>
    queries.updateTable('pipeline_runs').set({ state: 'waiting' }).where('id', '=', runId).where('state', '=', 'running')
      .where((where) => where.exists(where.selectFrom('jobs').select('id').where('id', '=', id).where('state', '=', 'running').where('attempts', '=', attempts)))
      .executeTakeFirst(),
  );
  return Number(changed.numUpdatedRows) > 0;
}
