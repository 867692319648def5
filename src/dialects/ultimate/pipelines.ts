import type { FastifyReply, FastifyRequest } from 'fastify';
import { isoTime } from '../../base/clock.ts';
import { asParleyError, ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { NewRun, PipelineFigures, Run, RunEvent, RunState, Stage, StageDefinition } from '../../features/pipelines/index.ts';
import type { z } from 'zod';
import { goneController, openEventStream, viewerFrom, whileValid, type CredentialWatch, type DialectScope } from '../shared/index.ts';
import { takeCalls } from './batch.ts';
import { errorBody } from './errors.ts';
import type { UltimateParts } from './parts.ts';
import { runAnswer, runPage, runPath, runRequest, runsAnswer, statusAnswer, type RunRequest, type RunShape, type StageRequest, type StageShape } from './pipeline-schemas.ts';
import { seconds } from './shapes.ts';
import { everyVersion } from './versions.ts';

/** Figures over all pipelines. */
export function registerPipelineStatus(scope: DialectScope, { pipelines }: UltimateParts): void {
  everyVersion('/api/v4/ai/pipeline/status', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'How many pipelines run, wait and have run, and how long they take', response: { 200: statusAnswer } } }, async (request) => statusShape(await pipelines.figures(viewerFrom(request))));
  });
}

/** Running pipelines: additions to the published document, which names their state only. */
export function registerPipelines(scope: DialectScope, parts: UltimateParts, credentials: CredentialWatch): void {
  const { pipelines } = parts;
  everyVersion('/api/v4/ai/pipeline/run', (url, hide) => {
    const schema = {
      hide, summary: 'Runs a pipeline: one or more models behind or beside each other', body: runRequest, response: { 200: runAnswer, 202: runAnswer },
      description: 'Accepted runs go on without their client, and behind a restart with the stage that had not ended.',
    };
    scope.post(url, { schema, bodyLimit: 2_097_152 }, async (request, reply) => {
      const viewer = viewerFrom(request);
      const { stream, wait } = request.body;
      const wanted = newRun(request.body);
      await takeCalls(parts, viewer.userId, wanted.stages.length + (wanted.join ? 1 : 0));
      const run = await pipelines.run(viewer, wanted);
      if (stream) return streamRun(parts, credentials, request, reply, run.id);
      if (!wait) return reply.status(202).send(answerShape(run));
      request.streams = true;
      const gone = goneController(reply);
      return answerShape(await whileValid(credentials, viewer, () => gone.abort(), () => ended(parts, viewer, run.id, gone.signal)));
    });
  });
  everyVersion('/api/v4/ai/pipeline/runs', (url, hide) => {
    scope.get(url, { schema: { hide, summary: "The caller's own runs, the newest first", querystring: runPage, response: { 200: runsAnswer } } }, async (request) => {
      const { limit, offset } = request.query;
      return { success: true as const, runs: (await pipelines.list(viewerFrom(request), { limit, offset })).map(headShape), limit, offset };
    });
  });
  everyVersion('/api/v4/ai/pipeline/runs/:run_id', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'A run with its stages', params: runPath, response: { 200: runAnswer } } }, async (request) => answerShape(await pipelines.get(viewerFrom(request), request.params.run_id)));
    scope.delete(
      url,
      { schema: { hide, summary: 'Ends a run; forgets one that has ended', description: 'What was said in a forgotten run is deleted; figures go on counting it.', params: runPath, response: { 200: runAnswer } } },
      async (request) => answerShape(await pipelines.remove(viewerFrom(request), request.params.run_id)),
    );
  });
  everyVersion('/api/v4/ai/pipeline/runs/:run_id/events', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'What happens in a run, as server-sent events', params: runPath } }, async (request, reply) => streamRun(parts, credentials, request, reply, request.params.run_id));
  });
}

/** @throws {ParleyError} `not_implemented` for what needs other machines */
function newRun({ type, input, stages, join }: RunRequest): NewRun {
  if (type === 'distributed') throw new ParleyError('not_implemented', { message: 'Distributed pipelines need peers, which are not built yet.' });
  return { kind: type, input, stages: stages.map((stage, at) => stageOf(stage, `stage${at + 1}`)), join: join ? stageOf(join, 'join') : null };
}

function stageOf({ name, model, backend_model: backendModel, prompt, system, max_tokens: maxTokens, temperature }: StageRequest, usualName: string): StageDefinition {
  return { name: name ?? usualName, model: model ?? null, backendModel: backendModel ?? null, prompt: prompt ?? null, system: system ?? null, maxTokens, temperature: temperature ?? null };
}

/** The run, when it has ended. @throws {ParleyError} `cancelled` when the client goes, which does not end the run */
async function ended({ pipelines }: UltimateParts, viewer: Viewer, id: string, signal: AbortSignal): Promise<Run> {
  for await (const event of pipelines.follow(viewer, id, signal)) if (event.type === 'ended') return event.run;
  throw new ParleyError(signal.aborted ? 'cancelled' : 'not_found');
}

async function streamRun(parts: UltimateParts, credentials: CredentialWatch, request: FastifyRequest, reply: FastifyReply, id: string): Promise<FastifyReply> {
  const viewer = viewerFrom(request);
  const stream = openEventStream(reply);
  await whileValid(credentials, viewer, () => stream.cut(errorFrame(new ParleyError('unauthorized'))), async () => {
    try {
      for await (const event of parts.pipelines.follow(viewer, id, stream.signal)) {
        const frame = frameOf(event);
        if (event.type === 'ended') return stream.end(frame);
        const room = stream.write(frame);
        if (room) await room;
      }
      if (stream.begun && !stream.signal.aborted) stream.end(errorFrame(new ParleyError('not_found')));
    } catch (thrown) {
      if (!stream.begun) throw thrown;
      stream.end(errorFrame(asParleyError(thrown)));
      parts.log.error({ err: thrown, requestId: request.id }, 'the events of a pipeline run broke off');
    }
  });
  if (!stream.begun) throw new ParleyError('cancelled');
  return reply;
}

function frameOf(event: RunEvent): string {
  if (event.type === 'run') return frame('run', bodyShape(event.run));
  if (event.type === 'piece') return frame('piece', { stage: event.name, text: event.text });
  if (event.type !== 'ended') return frame(event.type, stageShape(event.stage));
  const { run } = event;
  if (run.state === 'done') return frame('done', bodyShape(run));
  const error = run.error ?? { code: 'cancelled' as const, message: 'The run was cancelled.' };
  return errorFrame(new ParleyError(error.code, { message: error.message }));
}

function frame(name: string, value: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}

function errorFrame(error: ParleyError): string {
  return frame('error', errorBody(error));
}

const runStates = { waiting: 'queued', running: 'running', done: 'completed', failed: 'failed', cancelled: 'cancelled' } as const satisfies Record<RunState, string>;
const stageStates = { ...runStates, skipped: 'skipped' } as const;

function answerShape(run: Run): z.output<typeof runAnswer> {
  return { success: run.state !== 'failed' && run.state !== 'cancelled', ...bodyShape(run) };
}

function bodyShape(run: Run): RunShape {
  return { ...headShape(run), input: run.input, output: run.output, stages: run.stages.map(stageShape) };
}

function headShape(run: Omit<Run, 'stages' | 'input' | 'output'>) {
  return {
    run_id: run.id, type: run.kind, status: runStates[run.state], created_at: isoTime(run.createdAt), started_at: timeOf(run.startedAt), ended_at: timeOf(run.endedAt),
    processing_time: seconds(run.durationMs), error: run.error,
  };
}

function stageShape(stage: Stage): StageShape {
  return {
    name: stage.name, status: stageStates[stage.state], attempt: stage.attempt, model: stage.model, output: stage.output, calls: stage.calls, tokens_in: stage.tokensIn, tokens_out: stage.tokensOut,
    started_at: timeOf(stage.startedAt), ended_at: timeOf(stage.endedAt), processing_time: seconds(stage.durationMs), time_to_first_text: seconds(stage.firstTextMs), error: stage.error,
  };
}

function timeOf(at: number | null): string | null {
  return at === null ? null : isoTime(at);
}

function statusShape(found: PipelineFigures): z.output<typeof statusAnswer> {
  const percentiles = found.percentilesMs;
  return {
    active_pipelines: found.running,
    pipeline_types: ['sequential', 'parallel'],
    processing_queue: found.waiting,
    completed_pipelines: found.done,
    average_processing_time: seconds(found.averageMs === null ? null : Math.round(found.averageMs)),
    supported_backends: found.backends,
    streaming_pipelines: true,
    failed_pipelines: found.failed,
    cancelled_pipelines: found.cancelled,
    processing_time_percentiles: percentiles && { p50: seconds(percentiles.p50), p95: seconds(percentiles.p95), p99: seconds(percentiles.p99) },
    workers: found.atOnce,
    queue_capacity: found.mostWaiting,
  };
}
