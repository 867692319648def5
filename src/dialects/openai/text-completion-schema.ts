import { z } from 'zod';
import { text } from '../shared/index.ts';

const longText = text({ max: 4_000_000 });
const shortText = text({ max: 512 });

/** Answers that one request may ask for: prompts times `n`. */
export const mostAnswers = 32;

/** What is understood of a request in the old form; other fields are ignored. */
export const textCompletionRequest = z.object({
  model: shortText.nullish().describe('`provider/model` or a bare name; missing means the default model'),
  prompt: z.union([longText, z.array(longText).min(1).max(mostAnswers), z.array(z.number()).max(100_000), z.array(z.array(z.number())).max(mostAnswers)]),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  n: z.int().min(1).max(8).nullish(),
  best_of: z.int().min(1).max(20).nullish(),
  echo: z.boolean().nullish(),
  suffix: longText.nullish(),
  logprobs: z.int().min(0).max(5).nullish(),
  max_tokens: z.int().min(1).max(10_000_000).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  stop: z.union([longText, z.array(longText).max(4)]).nullish(),
  seed: z.int().nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z.record(z.string(), z.number().min(-100).max(100)).nullish(),
  user: text({ max: 1024 }).nullish(),
});

export type TextCompletionRequest = z.output<typeof textCompletionRequest>;

const logprobs = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z.array(z.record(z.string(), z.number())).nullable(),
  text_offset: z.array(z.int()).describe('UTF-16 units of the text before each token'),
});

export type TextLogprobs = z.output<typeof logprobs>;

const usage = z.object({
  prompt_tokens: z.int().nullable(),
  completion_tokens: z.int().nullable(),
  total_tokens: z.int().nullable(),
});

export type TextUsage = z.output<typeof usage>;

/** An answer in the old form. Figures that nobody knows are null. */
export const textCompletionAnswer = z.object({
  id: z.string(),
  object: z.literal('text_completion'),
  created: z.int(),
  model: z.string().describe('The model that spoke, as `provider/model`'),
  choices: z.array(z.object({ index: z.int(), text: z.string(), logprobs: logprobs.nullable(), finish_reason: z.enum(['stop', 'length', 'content_filter']).nullable() })),
  usage: usage.nullable(),
});

export type TextCompletionAnswer = z.output<typeof textCompletionAnswer>;
