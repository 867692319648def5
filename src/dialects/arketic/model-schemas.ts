import { z } from 'zod';
import { text } from '../shared/index.ts';

export const modelsAnswer = z.object({
  models: z.array(
    z.object({
      id: z.string(),
      label: z.string(),
      provider: z.string(),
      location: z.enum(['local', 'remote']),
      context_length: z.int().nullable(),
      size_bytes: z.int().nullable(),
    }),
  ),
  default: z.string().nullable().describe('The model that answers where none is named; null when there is none'),
});

export const setupAnswer = z.object({
  providers: z.array(
    z.object({
      id: z.string(),
      kind: z.string(),
      location: z.string(),
      state: z.enum(['ready', 'absent', 'needs-key', 'error']),
      detail: z.string(),
      how_to_add: z.string(),
      models: z.array(z.string()),
    }),
  ),
  models_folder: z.string().nullable().describe('For administrators only'),
  default: z.string().nullable(),
  recommended: z.array(
    z.object({ name: z.string(), source: z.string(), size_bytes: z.int().nullable(), licence: z.string(), description: z.string() }),
  ),
});

const source = text({ min: 1, max: 2000 });

export const inspectQuery = z.object({ source });

export const inspection = z.object({
  source: z.string(),
  url: z.string(),
  file_name: z.string(),
  size_bytes: z.int(),
  licence: z.string().nullable(),
  architecture: z.string().nullable(),
  context_length: z.int().nullable(),
  sha256: z.string().nullable(),
  free_bytes: z.int(),
  fits: z.boolean(),
});

export const pullRequest = z.object({
  source,
  sha256: z.string().regex(/^[0-9a-fA-F]{64}$/, { error: 'must be 64 hexadecimal digits' }).nullish(),
});

export const pullAnswer = z.object({
  id: z.string(),
  source: z.string(),
  file_name: z.string().nullable(),
  state: z.enum(['waiting', 'running', 'done', 'failed', 'cancelled']),
  received_bytes: z.int(),
  size_bytes: z.int().nullable(),
  bytes_per_second: z.number().nullable(),
  error: z.string().nullable(),
});

export const pullsAnswer = z.object({ pulls: z.array(pullAnswer) });
export const pullPath = z.object({ pull_id: text({ min: 1, max: 200 }) });
export const filePath = z.object({ file_name: text({ min: 1, max: 255 }) });

export const keyPath = z.object({ provider: text({ min: 1, max: 100 }) });
export const keyRequest = z.object({ key: text({ min: 1, max: 1000 }) });
export const keyAnswer = z.object({ provider: z.string(), hint: z.string().describe('The last characters'), created_at: z.string() });
export const keysAnswer = z.object({ keys: z.array(keyAnswer) });
