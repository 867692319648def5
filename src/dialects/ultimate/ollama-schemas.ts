import { z } from 'zod';
import { text } from '../shared/index.ts';

const count = z.int();
const share = z.number().nullable();

const pull = z.object({
  id: z.string(), model: z.string(), instance_id: z.string(), state: z.enum(['waiting', 'running']), progress: z.number().describe('Percent'), status: z.string().describe('What the instance says that it does'),
});

export const ollamaStatus = z.object({
  instances_available: count.describe('Instances that answered the newest look'),
  active_connections: count.describe('The same: instances to which a connection works now'),
  cloud_compute_instances: count.describe('Those of them on other machines'),
  total_operations: count.describe('Requests sent to instances since the start: answers, vectors, downloads'),
  instance_details: z.array(z.object({
    instance_id: z.string(),
    status: z.enum(['healthy', 'degraded', 'unreachable']),
    health_score: share.describe('Share of the last 20 looks that were answered in time; null before the first'),
    active_connections: count.describe('Requests it is working on now'),
    total_requests: count,
    failed_requests: count.describe('Ended by a network error, a 5xx or a broken stream'),
    avg_response_time: share.describe('Mean seconds of finished answers and vectors; null before the first'),
    available_models: z.array(z.string()),
    loaded_models: z.array(z.string()).nullable().describe('Addition: those in its memory; null when it does not say'),
    last_health_check: z.string().nullable(),
  })),
  load_balancing: z.object({ strategy: z.literal('response_time'), total_requests: count, successful_requests: count, success_rate: share }),
  pulls: z.array(pull).describe('Addition: models that are being fetched'),
});

/** Longest prompt, in characters. */
const longestPrompt = 1_000_000;

export const generateRequest = z.object({
  model: text({ min: 1, max: 200 }).describe('As an instance lists it; `:latest` may be left out'),
  prompt: text({ min: 1, max: longestPrompt }),
  stream: z.boolean().default(true).describe('false: everything in one event, the last'),
  options: z.object({ temperature: z.number().min(0).max(100).optional(), max_tokens: z.int().min(1).max(1_000_000).optional() }).optional(),
});

export type GenerateRequest = z.output<typeof generateRequest>;

const modelName = text({ min: 1, max: 200 }).regex(/^[^\s\p{Cc}]+$/u, 'must be a name without spaces');

export const pullRequest = z.object({
  model: modelName,
  instance_id: text({ min: 1, max: 300 }).optional().describe('Host and port; default every instance'),
});

export const pullAnswer = z.object({
  success: z.boolean().describe('Whether every instance that was asked has the model now'),
  model: z.string(),
  instance_results: z.record(z.string(), z.boolean()),
  download_progress: z.record(z.string(), z.number()).describe('Percent, by "instance_id:model"'),
  errors: z.record(z.string(), z.string()).optional().describe('Addition: why, for instances that failed'),
});

export const manageAnswer = pullAnswer.omit({ download_progress: true });

export const pullPath = z.object({ pull_id: text({ min: 1, max: 100 }) });

export const cancelledAnswer = z.object({ success: z.literal(true), id: z.string(), model: z.string(), instance_id: z.string(), state: z.string() });
