import { z } from 'zod';
import { isErrorCode, ParleyError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { PipelineRunsTable, PipelineStagesTable, Queries, WriteQueries } from '../../base/storage/index.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { keptMs, mostKept } from './limits.ts';
import type { Failure, NewRun, Run, Stage, StageDefinition } from './types.ts';

const definitionForm = z.object({
  name: z.string(), prompt: z.string().nullable(), model: z.string().nullable(), backendModel: z.string().nullable(), system: z.string().nullable(),
  maxTokens: z.number(), temperature: z.number().nullable(), joins: z.boolean(),
});

/** A stage as it is stored; `joins`: it is given the outputs of all others. */
export type StoredDefinition = StageDefinition & { joins: boolean };

export function definitionOf(row: Pick<PipelineStagesTable, 'definition'>): StoredDefinition {
  return definitionForm.parse(JSON.parse(row.definition));
}

export function unknownRun(): ParleyError {
  return new ParleyError('not_found', { message: 'There is no such pipeline run.' });
}

/** Stores a run that waits. Returns its id. */
export async function insertRun(queries: WriteQueries, viewer: Viewer, run: NewRun, now: number): Promise<string> {
  const id = newId();
  await queries.insertInto('pipeline_runs').values({
    id, owner_id: viewer.userId, job_id: null, api_key_id: viewer.via === 'api-key' ? viewer.credentialId : null, kind: run.kind, state: 'waiting', input: run.input, output: null,
    error_code: null, error_message: null, created_at: now, started_at: null, ended_at: null, duration_ms: null, is_forgotten: 0,
  }).execute();
  const definitions: StoredDefinition[] = [...run.stages.map((stage) => ({ ...stage, joins: false })), ...(run.join ? [{ ...run.join, joins: true }] : [])];
  await queries.insertInto('pipeline_stages').values(definitions.map((definition, place) => ({
    run_id: id, place, definition: JSON.stringify(definition), state: 'waiting' as const, attempt: 0, output: null, model: null, calls: 0, tokens_in: null, tokens_out: null,
    started_at: null, ended_at: null, duration_ms: null, first_text_ms: null, error_code: null, error_message: null,
  }))).execute();
  return id;
}

/** A run with its stages; null when there is none, or it is forgotten. @param ownerId undefined for work of the server itself */
export async function readRun(queries: Queries | WriteQueries, id: string, ownerId?: string): Promise<{ run: Run; row: PipelineRunsTable; stages: PipelineStagesTable[] } | null> {
  let query = queries.selectFrom('pipeline_runs').selectAll().where('id', '=', id).where('is_forgotten', '=', 0);
  if (ownerId !== undefined) query = query.where('owner_id', '=', ownerId);
  const row = await query.executeTakeFirst();
  if (!row) return null;
  const stages = await queries.selectFrom('pipeline_stages').selectAll().where('run_id', '=', id).orderBy('place').execute();
  return { row, stages, run: { ...toRun(row), input: row.input, output: row.output, stages: stages.map(toStage) } };
}

export function toRun(row: PipelineRunsTable): Omit<Run, 'stages' | 'input' | 'output'> {
  return {
    id: row.id, kind: row.kind, state: row.state, error: failureOf(row), createdAt: row.created_at, startedAt: row.started_at, endedAt: row.ended_at, durationMs: row.duration_ms,
  };
}

export function toStage(row: PipelineStagesTable): Stage {
  return {
    place: row.place, name: definitionOf(row).name, state: row.state, attempt: row.attempt, output: row.output, model: row.model, calls: row.calls, tokensIn: row.tokens_in,
    tokensOut: row.tokens_out, startedAt: row.started_at, endedAt: row.ended_at, durationMs: row.duration_ms, firstTextMs: row.first_text_ms, error: failureOf(row),
  };
}

function failureOf({ error_code: code, error_message: message }: Pick<PipelineRunsTable, 'error_code' | 'error_message'>): Failure | null {
  return code === null ? null : { code: isErrorCode(code) ? code : 'internal', message: message ?? '' };
}

/** Ends a run that has not ended, with the stages that have not. False when it had ended already. */
export async function endRun(queries: WriteQueries, id: string, now: number, ending: { state: 'done'; output: string } | { state: 'failed'; error: ParleyError } | { state: 'cancelled' }): Promise<boolean> {
  const error = ending.state === 'failed' ? { error_code: ending.error.code, error_message: ending.error.message } : {};
  const row = await queries.selectFrom('pipeline_runs').select('started_at').where('id', '=', id).where('state', 'in', ['waiting', 'running']).forUpdate().executeTakeFirst();
  if (!row) return false;
  await queries.updateTable('pipeline_runs').set({
    state: ending.state, output: ending.state === 'done' ? ending.output : null, ended_at: now, duration_ms: row.started_at === null ? null : Math.max(0, now - row.started_at), ...error,
  }).where('id', '=', id).execute();
  const unfinished = queries.updateTable('pipeline_stages').where('run_id', '=', id);
  await unfinished.where('state', '=', 'waiting').set({ state: ending.state === 'cancelled' ? 'cancelled' : 'skipped' }).execute();
  await unfinished.where('state', '=', 'running').set({ state: 'cancelled', ended_at: now }).execute();
  return true;
}

/** Forgets what was said in runs that have ended: only figures stay. */
export async function forgetRuns(queries: WriteQueries, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await queries.deleteFrom('pipeline_stages').where('run_id', 'in', [...ids]).execute();
  await queries.updateTable('pipeline_runs').set({ input: '', output: null, error_message: null, job_id: null, is_forgotten: 1 }).where('id', 'in', [...ids]).execute();
}

/** Forgets the ended runs of one user that are old, or too many. */
export async function forgetOld(queries: WriteQueries, ownerId: string, now: number): Promise<void> {
  const ended = queries.selectFrom('pipeline_runs').select('id').where('owner_id', '=', ownerId).where('is_forgotten', '=', 0).where('state', 'in', ['done', 'failed', 'cancelled']);
  const old = await ended.where('ended_at', '<', now - keptMs).limit(mostKept).execute();
  const many = await ended.orderBy('id', 'desc').offset(mostKept).limit(mostKept).execute();
  await forgetRuns(queries, [...old, ...many].map(({ id }) => id));
}
