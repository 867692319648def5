import { z } from 'zod';
import { freeObject, text } from '../shared/index.ts';

/** Characters of one text; the body limit of the route bounds them all together. */
const longText = text({ max: 4_000_000 });
const shortText = text({ max: 512 });
/** A picture as a data: URL may fill most of a request. */
const pictureUrl = text({ min: 1, max: 8_388_608 });
const schemaBytes = 262_144;

const contentPart = z.looseObject({
  type: shortText,
  text: longText.optional(),
  refusal: longText.nullish(),
  image_url: z.union([pictureUrl, z.object({ url: pictureUrl, detail: z.enum(['auto', 'low', 'high']).nullish() })]).optional(),
});

const functionCall = z.object({ name: shortText, arguments: longText });

const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.union([longText, z.array(contentPart).max(1000)]).nullish(),
  refusal: longText.nullish(),
  name: shortText.nullish(),
  tool_calls: z.array(z.object({ id: shortText, type: z.literal('function').default('function'), function: functionCall })).max(256).nullish(),
  tool_call_id: shortText.nullish(),
  function_call: functionCall.nullish(),
});

const functionDefinition = z.object({
  name: text({ min: 1, max: 128 }),
  description: text({ max: 16_384 }).nullish(),
  parameters: freeObject(schemaBytes).nullish(),
  strict: z.boolean().nullish(),
});

const tool = z.object({ type: shortText, function: functionDefinition.optional() });
const namedTool = z.object({ type: shortText, function: z.object({ name: shortText }).optional() });

const responseFormat = z.object({
  type: shortText,
  json_schema: z
    .object({
      name: text({ min: 1, max: 64 }).refine((name) => /^[\w-]+$/.test(name), { error: 'may have letters, digits, underscores and hyphens only', params: { kind: 'invalid' } }),
      description: text({ max: 16_384 }).nullish(),
      schema: freeObject(schemaBytes).nullish(),
      strict: z.boolean().nullish(),
    })
    .optional(),
});

/** 16 pairs of short texts, as OpenAI bounds them. */
const metadata = z
  .record(text({ min: 1, max: 64 }), text({ max: 512 }))
  .refine((pairs) => Object.keys(pairs).length <= 16, { error: 'must have at most 16 pairs', params: { kind: 'too_big' } });

const logitBias = z
  .record(z.string().regex(/^\d{1,10}$/), z.number().min(-100).max(100))
  .refine((pairs) => Object.keys(pairs).length <= 1024, { error: 'must have at most 1024 pairs', params: { kind: 'too_big' } });

/** Fields that are looked at only to refuse them; see requests.ts. */
const refusedFields = {
  audio: z.unknown().optional(),
  modalities: z.array(shortText).max(8).nullish(),
  web_search_options: z.unknown().optional(),
  moderation: z.unknown().optional(),
};

/** What is understood of a chat completion request; other fields are ignored, as OpenAI's own service adds new ones. */
export const completionRequest = z.object({
  model: shortText.nullish().describe('`provider/model` or a bare name; missing means the default model'),
  messages: z.array(message).min(1).max(4096),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  store: z.boolean().nullish().describe('Keeps the exchange in the conversation whose path equals the sent history, or in a new one'),
  metadata: metadata.nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).max(1_000_000).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repeat_penalty: z.number().min(0).max(10).nullish(),
  repetition_penalty: z.number().min(0).max(10).nullish(),
  max_tokens: z.int().min(1).max(10_000_000).nullish(),
  max_completion_tokens: z.int().min(1).max(10_000_000).nullish(),
  stop: z.union([longText, z.array(longText).max(4)]).nullish(),
  seed: z.int().nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: logitBias.nullish(),
  n: z.int().min(1).max(16).nullish(),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: z
    .union([
      z.enum(['auto', 'none', 'required']),
      namedTool.extend({ allowed_tools: z.object({ mode: z.enum(['auto', 'required']), tools: z.array(namedTool).max(128) }).optional() }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  functions: z.array(functionDefinition).max(128).nullish(),
  function_call: z.union([z.enum(['auto', 'none']), z.object({ name: shortText })]).nullish(),
  response_format: responseFormat.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  reasoning_effort: text({ max: 32 }).nullish(),
  verbosity: z.enum(['low', 'medium', 'high']).nullish(),
  service_tier: shortText.nullish(),
  ...refusedFields,
});

export type CompletionRequest = z.output<typeof completionRequest>;
export type RequestMessage = CompletionRequest['messages'][number];

const usage = z.object({
  prompt_tokens: z.int().nullable(),
  completion_tokens: z.int().nullable(),
  total_tokens: z.int().nullable(),
  prompt_tokens_details: z.object({ cached_tokens: z.int(), audio_tokens: z.int() }).optional(),
  completion_tokens_details: z
    .object({ reasoning_tokens: z.int(), audio_tokens: z.int(), accepted_prediction_tokens: z.int(), rejected_prediction_tokens: z.int() })
    .optional(),
});

export type UsageObject = z.output<typeof usage>;

const calledFunction = z.object({ name: z.string(), arguments: z.string() });
const toolCall = z.object({ id: z.string(), type: z.literal('function'), function: calledFunction });

const tokenLogprob = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()).nullable() });
const logprobs = z.object({
  content: z.array(tokenLogprob.extend({ top_logprobs: z.array(tokenLogprob) })).nullable(),
  refusal: z.array(tokenLogprob.extend({ top_logprobs: z.array(tokenLogprob) })).nullable(),
});

export type LogprobsObject = z.output<typeof logprobs>;

const answerMessage = z.object({
  role: z.literal('assistant'),
  content: z.string().nullable(),
  refusal: z.string().nullable(),
  reasoning_content: z.string().optional(),
  tool_calls: z.array(toolCall).optional(),
  function_call: calledFunction.optional(),
});

const choice = z.object({
  index: z.int(),
  message: answerMessage,
  logprobs: logprobs.nullable(),
  finish_reason: z.enum(['stop', 'length', 'tool_calls', 'content_filter', 'function_call']),
});

export type CompletionChoice = z.output<typeof choice>;

/** A whole chat completion. Figures that nobody knows are null. */
export const completionAnswer = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string().describe('The model that spoke, as `provider/model`'),
  choices: z.array(choice),
  usage: usage.nullable(),
  metadata: z.record(z.string(), z.string()).optional().describe('Of kept answers'),
});

export type CompletionAnswer = z.output<typeof completionAnswer>;

/** The messages of a kept completion. */
export const storedMessages = z.object({
  object: z.literal('list'),
  data: z.array(
    z.object({
      id: z.string(),
      role: z.enum(['system', 'user', 'assistant', 'tool']),
      content: z.string(),
      tool_calls: z.array(toolCall).optional(),
      tool_call_id: z.string().optional(),
    }),
  ),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});

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
