import { z } from 'zod';
import { text } from '../shared/index.ts';

export const exportQuery = z.object({ format: z.enum(['json', 'markdown']).default('json') });
export const exportAllQuery = z.object({ format: z.enum(['json']).default('json') });
export const importPath = z.object({ import_id: text({ min: 1, max: 200 }) });

export const importAnswer = z.object({
  id: z.string(),
  state: z.enum(['waiting', 'running', 'done', 'failed', 'cancelled']),
  progress: z.number().nullable().describe('0 to 1; null while not known'),
  imported: z.int().describe('Chats; while it runs, so far'),
  present: z.int().describe('Chats that were there already, and were left as they are'),
  skipped: z.int().describe('Chats that could not be taken'),
  messages: z.int().describe('Messages of the imported chats'),
  chats: z
    .array(
      z.object({
        title: z.string(),
        source_id: z.string().nullable().describe('Its id in the file'),
        outcome: z.enum(['imported', 'present', 'skipped']),
        chat_id: z.string().nullable(),
        messages: z.int(),
        remarks: z.array(z.object({ what: z.string(), count: z.int() })).describe('What was left out or changed'),
      }),
    )
    .describe('What became of each, when it is done'),
  unlisted: z.int().describe('Chats that the list has no room for'),
  error: z.string().nullable(),
  created_at: z.string(),
  ended_at: z.string().nullable(),
});

export const importsAnswer = z.object({ imports: z.array(importAnswer) });
