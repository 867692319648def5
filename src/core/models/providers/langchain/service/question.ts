import { z } from 'zod';

/*
 * What the service is asked. The request is one for POST /chat/completions of OpenAI's API; beside it stands where and
 * with which key it is to be answered.
 */

const text = z.string().max(8_000_000);
const name = z.string().max(300);

const toolCall = z.object({ id: name, type: z.literal('function'), function: z.object({ name, arguments: text }) });
const part = z.union([
  z.object({ type: z.literal('text'), text }),
  z.object({ type: z.literal('image_url'), image_url: z.object({ url: z.string().max(32_000_000), detail: z.enum(['auto', 'low', 'high']).optional() }) }),
]);
const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.union([text, z.array(part).max(1000)]).nullable(),
  tool_calls: z.array(toolCall).max(128).optional(),
  tool_call_id: name.optional(),
});
const tool = z.object({ type: z.literal('function'), function: z.looseObject({ name, description: text.optional(), strict: z.boolean().optional() }) });

const request = z.object({
  model: name.min(1),
  messages: z.array(message).min(1).max(10_000),
  temperature: z.number().optional(),
  top_p: z.number().optional(),
  max_tokens: z.int().optional(),
  max_completion_tokens: z.int().optional(),
  stop: z.array(text).max(64).optional(),
  seed: z.int().optional(),
  frequency_penalty: z.number().optional(),
  presence_penalty: z.number().optional(),
  logit_bias: z.record(z.string(), z.number()).optional(),
  logprobs: z.boolean().optional(),
  top_logprobs: z.int().optional(),
  response_format: z.looseObject({ type: name }).optional(),
  reasoning_effort: name.optional(),
  verbosity: name.optional(),
  tools: z.array(tool).max(1000).optional(),
  tool_choice: z.union([name, z.looseObject({})]).optional(),
  parallel_tool_calls: z.boolean().optional(),
  top_k: z.number().optional(),
  min_p: z.number().optional(),
  repeat_penalty: z.number().optional(),
  repetition_penalty: z.number().optional(),
});

export const questionForm = z.object({
  connection: z.object({
    /** Such as https://api.openai.com/v1. */
    base_url: z.url({ protocol: /^https?$/ }).max(2000),
    api_key: z.string().regex(/^[\x21-\x7e]{1,4096}$/),
    /** How errors name the service behind the address. */
    label: name.min(1),
    /** Milliseconds without a byte after which the call fails. */
    timeout_ms: z.int().min(1).max(86_400_000),
  }),
  request,
});

export type Question = z.output<typeof questionForm>;
