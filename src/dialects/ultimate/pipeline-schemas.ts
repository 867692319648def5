import { z } from 'zod';
import { mostInput, mostStages, mostTokens, usualTokens } from '../../features/pipelines/index.ts';
import { text, wholeNumber } from '../shared/index.ts';

const model = text({ min: 1, max: 300 });
const prompt = text({ min: 1, max: 20_000 });

const stage = z.object({
  name: z.string().regex(/^[\w-]{1,64}$/, 'letters, digits, _ and -').optional().describe('Default: stage1, stage2, ...'),
  model: model.optional().describe('A chat profile, or a model as provider/model or by its bare name; default the model of the server'),
  backend_model: model.optional().describe('The model behind a profile'),
  prompt: prompt.optional().describe('{{input}}: what the stage is given; {{original}}: the input of the run; {{stage.NAME}}: the output of an earlier stage'),
  system: prompt.optional().describe('In place of what the profile says'),
  max_tokens: z.int().min(1).max(mostTokens).default(usualTokens),
  temperature: z.number().min(0).max(2).optional(),
});

export type StageRequest = z.output<typeof stage>;

export const runRequest = z.object({
  type: z.enum(['sequential', 'parallel', 'streaming', 'distributed']),
  input: text({ min: 1, max: mostInput }),
  stages: z.array(stage).min(1).max(mostStages),
  join: stage.optional().describe('Parallel only: the stage that is given all outputs'),
  stream: z.boolean().default(false).describe('Tells what happens as server-sent events'),
  wait: z.boolean().default(true).describe('False: answers 202 as soon as the run is accepted'),
});

export type RunRequest = z.output<typeof runRequest>;

export const runPath = z.object({ run_id: text({ min: 1, max: 255 }) });
export const runPage = z.object({ limit: wholeNumber({ min: 1, max: 100, fallback: 20 }), offset: wholeNumber({ min: 0, max: 1_000_000, fallback: 0 }) });

const figure = z.number().nullable();
const failure = z.object({ code: z.string(), message: z.string() }).nullable();
const time = z.string().nullable();

const stageShape = z.object({
  name: z.string(), status: z.enum(['queued', 'running', 'completed', 'failed', 'cancelled', 'skipped']), attempt: z.int(), model: z.string().nullable(), output: z.string().nullable(),
  calls: z.int(), tokens_in: figure, tokens_out: figure, started_at: time, ended_at: time, processing_time: figure.describe('Seconds'), time_to_first_text: figure.describe('Seconds'), error: failure,
});

const head = {
  run_id: z.string(), type: z.enum(['sequential', 'parallel', 'streaming']), status: z.enum(['queued', 'running', 'completed', 'failed', 'cancelled']),
  created_at: z.string(), started_at: time, ended_at: time, processing_time: figure.describe('Seconds from its first start to its end'), error: failure,
};

export const runHead = z.object(head);
export const runShape = z.object({ ...head, input: z.string(), output: z.string().nullable(), stages: z.array(stageShape) });
export const runAnswer = z.object({ success: z.boolean().describe('False when the run has failed or was cancelled'), ...runShape.shape });
export const runsAnswer = z.object({ success: z.literal(true), runs: z.array(runHead), limit: z.int(), offset: z.int() });

export type RunShape = z.output<typeof runShape>;
export type StageShape = z.output<typeof stageShape>;

export const statusAnswer = z.object({
  active_pipelines: z.int(),
  pipeline_types: z.array(z.enum(['sequential', 'parallel', 'distributed'])),
  processing_queue: z.int(),
  completed_pipelines: z.int(),
  average_processing_time: figure.describe('Seconds, over completed runs; null before the first'),
  supported_backends: z.array(z.enum(['local_inference', 'ollama', 'p2p_distributed', 'cloud_gpu'])),
  streaming_pipelines: z.boolean().describe('Addition: runs of the type streaming are executed too'),
  failed_pipelines: z.int().describe('Addition'),
  cancelled_pipelines: z.int().describe('Addition'),
  processing_time_percentiles: z.object({ p50: z.number(), p95: z.number(), p99: z.number() }).nullable().describe('Addition: seconds, over the newest thousand completed runs'),
  workers: z.int().describe('Addition: runs that this process works on at the same time'),
  queue_capacity: z.int().describe('Addition: runs that may wait'),
});
