import { z } from 'zod';

const itemStatus = z.enum(['in_progress', 'completed', 'incomplete']);

const logprobEntry = { token: z.string(), logprob: z.number(), bytes: z.array(z.int()).nullable() };

const logprob = z.object({ ...logprobEntry, top_logprobs: z.array(z.object(logprobEntry)) });

export type LogprobObject = z.output<typeof logprob>;

const outputText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.unknown()),
  logprobs: z.array(logprob).optional(),
});

const refusal = z.object({ type: z.literal('refusal'), refusal: z.string() });

const reasoningText = z.object({ type: z.literal('reasoning_text'), text: z.string() });

/** A part of an item that is words. */
export type TextPart = z.output<typeof outputText> | z.output<typeof refusal> | z.output<typeof reasoningText>;

const reasoningItem = z.object({
  id: z.string(),
  type: z.literal('reasoning'),
  status: itemStatus,
  summary: z.array(z.unknown()),
  content: z.array(reasoningText),
});

const messageItem = z.object({
  id: z.string(),
  type: z.literal('message'),
  status: itemStatus,
  role: z.literal('assistant'),
  content: z.array(z.union([outputText, refusal])),
});

const callItem = z.object({
  id: z.string(),
  type: z.literal('function_call'),
  status: itemStatus,
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
});

export type ReasoningItem = z.output<typeof reasoningItem>;
export type MessageItem = z.output<typeof messageItem>;
export type CallItem = z.output<typeof callItem>;
export type OutputItem = ReasoningItem | MessageItem | CallItem;
export type ItemStatus = z.output<typeof itemStatus>;

const usage = z.object({
  input_tokens: z.int().nullable(),
  input_tokens_details: z.object({ cached_tokens: z.int().nullable(), cache_write_tokens: z.null() }),
  output_tokens: z.int().nullable(),
  output_tokens_details: z.object({ reasoning_tokens: z.int().nullable() }),
  total_tokens: z.int().nullable(),
});

export type ResponseUsage = z.output<typeof usage>;

/** What a response repeats of its request. */
const echo = z.object({
  background: z.boolean(),
  instructions: z.string().nullable(),
  max_output_tokens: z.int().nullable(),
  max_tool_calls: z.int().nullable(),
  metadata: z.record(z.string(), z.string()),
  parallel_tool_calls: z.boolean(),
  previous_response_id: z.string().nullable(),
  prompt_cache_key: z.string().nullable(),
  reasoning: z.object({ effort: z.string().nullable(), summary: z.string().nullable() }),
  safety_identifier: z.string().nullable(),
  store: z.boolean(),
  temperature: z.number().nullable(),
  text: z.object({ format: z.looseObject({ type: z.string() }), verbosity: z.string().nullable() }),
  tool_choice: z.union([z.string(), z.looseObject({ type: z.string() })]),
  tools: z.array(z.looseObject({ type: z.string() })),
  top_logprobs: z.int().nullable(),
  top_p: z.number().nullable(),
  truncation: z.enum(['auto', 'disabled']),
  user: z.string().nullable(),
});

export type Echo = z.output<typeof echo>;

/** A response. Figures that nobody knows are null. */
export const responseAnswer = z.object({
  id: z.string(),
  object: z.literal('response'),
  created_at: z.number().describe('Seconds since the epoch'),
  completed_at: z.number().nullable().describe('Seconds since the epoch, once the status is `completed`'),
  status: z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled']),
  model: z.string().describe('The model that spoke, as `provider/model`'),
  output: z.array(z.union([messageItem, reasoningItem, callItem])),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  incomplete_details: z.object({ reason: z.enum(['max_output_tokens', 'content_filter']) }).nullable(),
  usage: usage.nullable(),
  service_tier: z.null(),
  ...echo.shape,
});

export type ResponseAnswer = z.output<typeof responseAnswer>;

export const deletedAnswer = z.object({ id: z.string(), object: z.literal('response'), deleted: z.literal(true) });

const listedImage = z.object({ type: z.literal('input_image'), image_url: z.string().nullable(), file_id: z.null(), detail: z.enum(['auto', 'low', 'high']) });

const listedItem = z.union([
  z.object({ id: z.string(), type: z.literal('message'), status: itemStatus, role: z.enum(['user', 'system', 'assistant']), content: z.array(z.union([listedImage, z.looseObject({ type: z.string(), text: z.string() })])) }),
  callItem,
  z.object({ id: z.string(), type: z.literal('function_call_output'), status: itemStatus, call_id: z.string(), output: z.string() }),
]);

export type ListedItem = z.output<typeof listedItem>;

export const itemList = z.object({
  object: z.literal('list'),
  data: z.array(listedItem),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});
