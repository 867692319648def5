import { z } from 'zod';
import { text } from '../shared/index.ts';

const id = text({ min: 1, max: 200 });

/** A moment: a day (its beginning in UTC), or an ISO 8601 time in UTC. */
export const moment = z
  .string()
  .max(30)
  .regex(/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?Z)?$/, { error: 'must be a day such as 2026-11-21, or a time in UTC' })
  .refine((value) => !Number.isNaN(Date.parse(value)), { error: 'must be a day that exists' });

export const usageQuery = z.object({
  group_by: z.enum(['day', 'model', 'key', 'user']).default('day'),
  from: moment.optional().describe('Default: the beginning of this month (UTC)'),
  to: moment.optional().describe('Not included. Default: now'),
  user_id: id.optional().describe('Whose, or `all`; administrators only. Default: the own'),
});

export const usageAnswer = z.object({
  usage: z.array(
    z.object({
      group: z.string().nullable().describe('The day, model, or id of the key or user; null for calls without a key'),
      label: z.string(),
      calls: z.int(),
      tokens: z.object({ input: z.int(), output: z.int() }),
      cost_usd: z.number(),
      calls_without_tokens: z.int().describe('Calls that `tokens` lacks: cancelled, broken off, or their service does not say'),
      calls_without_price: z.int().describe('Calls that `cost_usd` lacks'),
    }),
  ),
});

export const budgetsQuery = z.object({ user_id: id.optional().describe('Whose, or `all` that were set; administrators only. Default: the own') });

const bounds = z.object({ requests: z.int().nullable(), tokens: z.int().nullable(), cost_usd: z.number().nullable() });

export const budgetAnswer = z.object({
  subject: z.enum(['user', 'key']),
  subject_id: z.string(),
  label: z.string(),
  user_id: z.string(),
  period: z.enum(['day', 'month']),
  source: z.enum(['own', 'default']),
  bounds: bounds.describe('null: no bound of this kind'),
  used: bounds,
  reserved: bounds.describe('Held by calls under way'),
  left: bounds,
  resets_at: z.string(),
});

export const budgetsAnswer = z.object({ budgets: z.array(budgetAnswer) });

export const budgetPath = z.object({ subject: z.enum(['users', 'keys']), subject_id: id, period: z.enum(['day', 'month']) });

const amount = z.int().min(0).max(1_000_000_000_000).nullable().default(null);
export const budgetRequest = z
  .object({ requests: amount, tokens: amount, cost_usd: z.number().min(0).max(1_000_000_000).nullable().default(null) })
  .describe('What is null or left out is not bounded');
