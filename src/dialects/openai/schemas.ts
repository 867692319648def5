import { z } from 'zod';
import { freeObject, text } from '../shared/index.ts';

/** Characters of one text; the body limit of the route bounds them all together. */
const longText = text({ max: 4_000_000 });
const shortText = text({ max: 512 });

const contentPart = z.looseObject({ type: shortText, text: longText.optional(), refusal: longText.nullish() });

const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.union([longText, z.array(contentPart).max(1000)]).nullish(),
  tool_calls: z
    .array(z.object({ id: shortText, type: z.literal('function').default('function'), function: z.object({ name: shortText, arguments: longText }) }))
    .max(256)
    .nullish(),
  tool_call_id: shortText.nullish(),
});

const tool = z.object({
  type: shortText,
  function: z
    .object({ name: text({ min: 1, max: 128 }), description: text({ max: 16_384 }).nullish(), parameters: freeObject(262_144).nullish() })
    .optional(),
});

/** What is understood of a chat completion request; other fields are ignored, as OpenAI's own service adds new ones. */
export const completionRequest = z.object({
  model: shortText.nullish().describe('`provider/model` or a bare name; missing means the default model'),
  messages: z.array(message).min(1).max(4096),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  store: z.boolean().nullish().describe('Keeps the exchange in the conversation whose path equals the sent history, or in a new one'),
  metadata: freeObject(8192).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  max_tokens: z.int().min(1).max(10_000_000).nullish(),
  max_completion_tokens: z.int().min(1).max(10_000_000).nullish(),
  stop: z.union([longText, z.array(longText).max(4)]).nullish(),
  seed: z.int().nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  n: z.int().min(1).max(128).nullish(),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: z.union([z.enum(['auto', 'none', 'required']), z.object({ type: shortText, function: z.object({ name: shortText }).optional() })]).nullish(),
  response_format: z.looseObject({ type: shortText }).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().nullish(),
  logit_bias: z.record(z.string(), z.number()).nullish(),
  functions: z.array(z.unknown()).nullish(),
  modalities: z.array(shortText).max(8).nullish(),
  user: text({ max: 1024 }).nullish(),
});

export type CompletionRequest = z.output<typeof completionRequest>;
export type RequestMessage = CompletionRequest['messages'][number];

const usage = z.object({
  prompt_tokens: z.int().nullable(),
  completion_tokens: z.int().nullable(),
  total_tokens: z.int().nullable(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }).optional(),
  completion_tokens_details: z.object({ reasoning_tokens: z.int() }).optional(),
});

export type UsageObject = z.output<typeof usage>;

const toolCall = z.object({ id: z.string(), type: z.literal('function'), function: z.object({ name: z.string(), arguments: z.string() }) });

/** A whole chat completion. Figures that nobody knows are null. */
export const completionAnswer = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string().describe('The model that spoke, as `provider/model`'),
  choices: z.array(
    z.object({
      index: z.int(),
      message: z.object({
        role: z.literal('assistant'),
        content: z.string().nullable(),
        refusal: z.null(),
        reasoning_content: z.string().optional(),
        tool_calls: z.array(toolCall).optional(),
      }),
      logprobs: z.null(),
      finish_reason: z.enum(['stop', 'length', 'tool_calls', 'content_filter']),
    }),
  ),
  usage: usage.nullable(),
});

export type CompletionAnswer = z.output<typeof completionAnswer>;

export const embeddingRequest = z.object({
  model: shortText.nullish(),
  input: z.union([
    text({ min: 1, max: 1_000_000 }),
    z.array(text({ min: 1, max: 1_000_000 })).min(1).max(2048),
    z.array(z.number()).max(100_000),
    z.array(z.array(z.number())).max(2048),
  ]),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).max(65_536).nullish(),
  user: text({ max: 1024 }).nullish(),
});

export type EmbeddingRequest = z.output<typeof embeddingRequest>;

export const embeddingAnswer = z.object({
  object: z.literal('list'),
  data: z.array(z.object({ object: z.literal('embedding'), index: z.int(), embedding: z.union([z.array(z.number()), z.string()]) })),
  model: z.string(),
  usage: z.object({ prompt_tokens: z.int().nullable(), total_tokens: z.int().nullable() }),
});

export const modelObject = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int().describe('Seconds since the epoch; 0 when it is not known'),
  owned_by: z.string(),
});

export const modelList = z.object({ object: z.literal('list'), data: z.array(modelObject) });
