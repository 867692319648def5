import { z } from 'zod';
import { freeObject, text, wholeNumber } from '../../shared/index.ts';

/** Characters of one text; the body limit of the route bounds them all together. */
const longText = text({ max: 4_000_000 });
const shortText = text({ max: 512 });

/** A piece of a message: text, a refusal or a picture. What else OpenAI has is refused by name. */
const contentPart = z.looseObject({
  type: shortText,
  text: longText.optional(),
  refusal: longText.optional(),
  image_url: text({ max: 8_000_000 }).nullish(),
  file_id: shortText.nullish(),
  detail: shortText.nullish(),
});

/** One item of `input`, in any of its forms; which fields it must have depends on `type`. */
const inputItem = z.looseObject({
  type: shortText.nullish().describe('`message` (also when missing), `function_call`, `function_call_output`, `reasoning`, `item_reference`'),
  role: shortText.optional(),
  content: z.union([longText, z.array(contentPart).max(1000)]).nullish(),
  id: shortText.nullish(),
  call_id: shortText.nullish(),
  name: text({ max: 128 }).nullish(),
  arguments: longText.nullish(),
  output: z.union([longText, z.array(contentPart).max(1000)]).nullish(),
});

const tool = z.looseObject({
  type: shortText,
  name: text({ min: 1, max: 128 }).optional(),
  description: text({ max: 16_384 }).nullish(),
  parameters: freeObject(262_144).nullish(),
  strict: z.boolean().nullish(),
});

const toolChoice = z.union([
  z.enum(['auto', 'none', 'required']),
  z.looseObject({
    type: shortText,
    name: shortText.optional(),
    mode: z.enum(['auto', 'required']).optional(),
    tools: z.array(z.looseObject({ type: shortText, name: shortText.optional() })).max(128).optional(),
  }),
]);

const textFormat = z.looseObject({
  type: shortText,
  name: text({ max: 128 }).optional(),
  description: text({ max: 16_384 }).nullish(),
  schema: freeObject(262_144).optional(),
  strict: z.boolean().nullish(),
});

/** Up to 16 pairs, as OpenAI has them. */
const pairs = z
  .record(text({ max: 64 }), text({ max: 512 }))
  .refine((value) => Object.keys(value).length <= 16, { error: 'must have at most 16 pairs', params: { kind: 'too_big' } });

/** What is understood of a request for a response; other fields are ignored, as OpenAI's own service adds new ones. */
export const responseRequest = z.object({
  model: shortText.nullish().describe('`provider/model` or a bare name; missing means the default model'),
  input: z.union([longText, z.array(inputItem).min(1).max(4096)]),
  instructions: longText.nullish().describe('For this answer only, in place of those before it'),
  previous_response_id: shortText.nullish().describe('Goes on behind this response; behind an older one on a branch'),
  store: z.boolean().nullish().describe('Default true: question and answer are kept as a conversation'),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_obfuscation: z.boolean().nullish() }).nullish(),
  background: z.boolean().nullish().describe('Answers at once with the response in the making'),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  max_tool_calls: z.int().min(1).max(1_000_000).nullish(),
  text: z.object({ format: textFormat.nullish(), verbosity: z.enum(['low', 'medium', 'high']).nullish() }).nullish(),
  reasoning: z.looseObject({ effort: text({ max: 32 }).nullish(), summary: text({ max: 32 }).nullish() }).nullish(),
  max_output_tokens: z.int().min(1).max(10_000_000).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  include: z.array(text({ max: 128 })).max(32).nullish(),
  metadata: pairs.nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  user: text({ max: 1024 }).nullish(),
  safety_identifier: text({ max: 1024 }).nullish(),
  prompt_cache_key: text({ max: 1024 }).nullish(),
  service_tier: text({ max: 64 }).nullish(),
  conversation: z.unknown().optional(),
  prompt: z.unknown().optional(),
  moderation: z.unknown().optional(),
});

export type ResponseRequest = z.output<typeof responseRequest>;
export type InputItem = z.output<typeof inputItem>;
export type InputPart = z.output<typeof contentPart>;

/** The id in the address of a response. */
export const responseParameters = z.object({ response_id: text({ min: 1, max: 128 }) });

const flag = z.preprocess((value) => (value === 'true' ? true : value === 'false' ? false : value), z.boolean()).default(false);

export const retrieveQuery = z.object({
  stream: flag.describe('The events of the response, as they came'),
  starting_after: wholeNumber({ min: 0, max: 1_000_000_000, fallback: -1 }).describe('With `stream`: only the events behind this `sequence_number`'),
});

export const inputItemsQuery = z.object({
  limit: wholeNumber({ min: 1, max: 100, fallback: 20 }),
  order: z.enum(['asc', 'desc']).default('desc'),
  after: text({ max: 128 }).optional().describe('Id of an item: the page begins behind it'),
});
