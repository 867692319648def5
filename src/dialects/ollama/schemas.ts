import { z } from 'zod';
import { freeObject, text } from '../shared/index.ts';

/** Characters of one text; the body limit of the route bounds them all together. */
const longText = text({ max: 4_000_000 });
const shortText = text({ max: 512 });
/** A picture in base64; the body limit bounds it further. */
const picture = z.string().max(28_000_000);
const pictures = z.array(picture).max(32).nullish();

/** Accepted and not needed: how long a model stays in memory is the server's own rule. */
const keepAlive = z.union([z.number(), shortText]).nullish();
const think = z.union([z.boolean(), z.enum(['low', 'medium', 'high'])]).nullish();
/** `json`, nothing, or a JSON Schema. */
const format = z.union([z.enum(['', 'json']), freeObject(262_144)]).nullish();
const stream = z.boolean().nullish().describe('Lines of JSON as they come; missing means true');

/** What is understood of `options`; others concern the engine of Ollama and are ignored. */
const options = z
  .object({
    num_predict: z.int().min(-2).max(10_000_000).nullish().describe('Most tokens; below 1 means no bound'),
    temperature: z.number().min(0).max(100).nullish(),
    top_k: z.int().min(0).max(1_000_000).nullish().describe('0 means no bound'),
    top_p: z.number().min(0).max(1).nullish(),
    min_p: z.number().min(0).max(1).nullish(),
    seed: z.int().nullish().describe('Below 0 means any'),
    stop: z.union([longText, z.array(longText).max(16)]).nullish(),
    repeat_penalty: z.number().min(0).max(10).nullish(),
    presence_penalty: z.number().min(-2).max(2).nullish(),
    frequency_penalty: z.number().min(-2).max(2).nullish(),
  })
  .nullish();

export type Options = z.output<typeof options>;

const asking = {
  model: text({ max: 512 }),
  stream,
  format,
  think,
  options,
  keep_alive: keepAlive,
  truncate: z.boolean().nullish(),
  shift: z.boolean().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
};

const toolCall = z.object({ id: shortText.nullish(), function: z.object({ name: shortText, arguments: freeObject(1_048_576).nullish() }) });

const message = z.object({
  role: z.string().max(32).toLowerCase().pipe(z.enum(['system', 'user', 'assistant', 'tool'])),
  content: longText.nullish(),
  thinking: longText.nullish().describe('Of earlier answers; not sent on'),
  images: pictures,
  tool_calls: z.array(toolCall).max(256).nullish(),
  tool_name: shortText.nullish(),
  tool_call_id: shortText.nullish(),
});

export type RequestMessage = z.output<typeof message>;

const tool = z.object({
  type: shortText.nullish(),
  function: z.object({ name: text({ min: 1, max: 128 }), description: text({ max: 16_384 }).nullish(), parameters: freeObject(262_144).nullish() }),
});

export const chatRequest = z.object({ ...asking, messages: z.array(message).max(4096).nullish(), tools: z.array(tool).max(128).nullish() });
export type ChatRequest = z.output<typeof chatRequest>;

export const generateRequest = z.object({
  ...asking,
  prompt: longText.nullish(),
  system: longText.nullish(),
  images: pictures,
  suffix: longText.nullish(),
  template: longText.nullish(),
  raw: z.boolean().nullish(),
  context: z.array(z.number()).max(1_000_000).nullish(),
});
export type GenerateRequest = z.output<typeof generateRequest>;

/** What an answer needs of a request, however it was asked. */
export type AskingRequest = Omit<ChatRequest, 'messages' | 'tools'>;

const embedded = text({ max: 1_000_000 });
const embedding = { model: text({ max: 512 }), keep_alive: keepAlive, options: freeObject(65_536).nullish() };
export const embedRequest = z.object({
  ...embedding,
  input: z.union([embedded, z.array(embedded).max(2048)]).nullish(),
  truncate: z.boolean().nullish(),
  dimensions: z.int().min(0).max(65_536).nullish(),
});
export const embeddingsRequest = z.object({ ...embedding, prompt: embedded.nullish() });

/** Routes about one model name it `model`; older clients `name`. */
const named = { model: text({ max: 2000 }).nullish(), name: text({ max: 2000 }).nullish() };
export const nameRequest = z.object(named);
export const pullRequest = z.object({ ...named, stream });
