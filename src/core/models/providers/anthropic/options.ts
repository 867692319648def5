import type { ModelRequest, ReplyError } from '../../types.ts';
import { readPictureUrl } from '../../pictures.ts';
import { unsupported } from '../../wire/index.ts';

/** What a model takes. Anthropic's model list says most of it; the rest, and models that are not listed, go by their version. */
export interface ModelTraits {
  /** Most tokens it makes in one answer; null when not known. */
  maxTokens: number | null;
  /** Tokens of context; null when not known. */
  contextLength: number | null;
  /** How it is told to think: by a budget of tokens, by leaving it to the model at a given effort, or not at all. */
  thinking: 'none' | 'budget' | 'adaptive';
  /** Whether it goes on behind a last message of the assistant. Models since 4.6 refuse that. */
  takesPrefill: boolean;
  /** Whether it takes temperature, `top_p` and `top_k`. Models since 4.7 refuse them. */
  takesSampling: boolean;
  /** Whether its answer and the arguments of tools can be held to a JSON Schema. */
  takesSchemas: boolean;
  /** Whether it sees pictures; null when not known. */
  seesPictures: boolean | null;
}

/** `4.7` of `claude-opus-4-7-20260416`, `3.5` of `claude-3-5-haiku-20241022`; null for names without numbers. */
export function versionOf(model: string): number | null {
  const numbers = model.split(/[-.@]/).filter((part) => /^\d{1,2}$/.test(part));
  if (numbers.length === 0) return null;
  return Number(numbers[0]) + Number(numbers[1] ?? 0) / 10;
}

/** What a model takes by its version alone. A name without a version is taken for a new model: new ones are the strictest. */
export function traitsByName(model: string): ModelTraits {
  const version = versionOf(model) ?? Infinity;
  return {
    maxTokens: mostTokens(model, version),
    contextLength: version >= 4.6 ? null : 200_000,
    thinking: version < 3.7 ? 'none' : version < 4.6 ? 'budget' : 'adaptive',
    takesPrefill: version < 4.6,
    takesSampling: version < 4.7,
    takesSchemas: version >= 4.5 || version === 4.1,
    seesPictures: version >= 3 ? (version === 3.5 && model.includes('haiku') ? null : true) : false,
  };
}

function mostTokens(model: string, version: number): number | null {
  if (version < 3.5) return 4096;
  if (version < 3.7) return 8192;
  if (model.includes('opus') && version < 4.5) return 32_000;
  if (version < 4.6) return 64_000;
  return Number.isFinite(version) ? 128_000 : null;
}

/** An entry of GET /v1/models. Nothing in it is trusted to be there. */
export interface ModelEntry {
  id: string;
  display_name?: unknown;
  created_at?: unknown;
  max_input_tokens?: unknown;
  max_tokens?: unknown;
  capabilities?: {
    image_input?: Support;
    structured_outputs?: Support;
    thinking?: { supported?: unknown; types?: { adaptive?: Support; enabled?: Support } | null } | null;
  } | null;
}

type Support = { supported?: unknown } | null;

/** What a model takes, as the list says, and by its version where the list says nothing. */
export function traitsOf(entry: ModelEntry): ModelTraits {
  const byName = traitsByName(entry.id);
  const { image_input: image, structured_outputs: schemas, thinking } = entry.capabilities ?? {};
  const listed = (support: Support | undefined): boolean | null => (typeof support?.supported === 'boolean' ? support.supported : null);
  const adaptive = listed(thinking?.types?.adaptive);
  const budget = listed(thinking?.types?.enabled);
  return {
    ...byName,
    maxTokens: positive(entry.max_tokens) ?? byName.maxTokens,
    contextLength: positive(entry.max_input_tokens) ?? byName.contextLength,
    thinking: adaptive ? 'adaptive' : budget ? 'budget' : adaptive === false && budget === false ? 'none' : byName.thinking,
    takesSchemas: listed(schemas) ?? byName.takesSchemas,
    seesPictures: listed(image) ?? byName.seesPictures,
  };
}

function positive(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : null;
}

/**
 * Tokens of an answer whose length nobody bounded: the field is mandatory. Room for the thinking of the newer models,
 * which counts, too, and not so much that a model that runs on costs a fortune.
 */
const usualMaxTokens = 16_384;

/** What `max_tokens` is to be. */
export function maxTokensOf(request: Pick<ModelRequest, 'maxTokens'>, traits: ModelTraits): number {
  return Math.max(1, Math.min(request.maxTokens ?? usualMaxTokens, traits.maxTokens ?? Infinity));
}

/**
 * Longest answer that is asked for without streaming: longer ones may take over ten minutes, and the service's own
 * clients refuse to ask for them so (an hour for 128,000 tokens).
 */
export const mostUnstreamed = 21_333;

const efforts: readonly string[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

/** Settings that the Messages API does not have. */
const absent = [
  ['minP', 'min_p'], ['repeatPenalty', 'repeat_penalty'], ['logitBias', 'logit_bias'], ['logprobs', 'logprobs'],
] as const;

/** Why Anthropic cannot be asked this; null when it can. */
export function refusal(request: ModelRequest, traits: ModelTraits): ReplyError | null {
  const found = absent.find(([field]) => request[field] !== undefined);
  if (found) return unsupported(found[1], `Anthropic has no ${found[1]}: leave it out.`);
  // Neutral values of settings that do not exist ask for nothing.
  for (const [field, name] of [['frequencyPenalty', 'frequency_penalty'], ['presencePenalty', 'presence_penalty']] as const) {
    if (request[field]) return unsupported(name, `Anthropic has no ${name}: leave it out.`);
  }
  return refusedSampling(request, traits) ?? refusedEffort(request, traits) ?? refusedPictures(request, traits) ?? refusedMessages(request);
}

function refusedSampling({ model, temperature, topP, topK }: ModelRequest, { takesSampling }: ModelTraits): ReplyError | null {
  if (temperature !== undefined && temperature > 1) return unsupported('temperature', 'Anthropic takes temperatures from 0 to 1.');
  if (takesSampling) return null;
  // The temperature is a hint here: chats have one from their beginning, whatever model answers in them later.
  if (topP !== undefined && topP !== 1) return unsupported('top_p', `${model} takes no top_p: leave it out.`);
  return topK === undefined ? null : unsupported('top_k', `${model} takes no top_k: leave it out.`);
}

function refusedEffort({ model, reasoningEffort }: ModelRequest, { thinking }: ModelTraits): ReplyError | null {
  if (reasoningEffort === undefined) return null;
  if (!efforts.includes(reasoningEffort)) return unsupported('reasoning_effort', `Anthropic knows the reasoning efforts ${efforts.join(', ')}.`);
  return thinking === 'none' && reasoningEffort !== 'none' ? unsupported('reasoning_effort', `${model} does not think before it answers: leave reasoning_effort out.`) : null;
}

/** Kinds of pictures that Anthropic takes. */
const pictureTypes: readonly string[] = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'];

function refusedPictures({ model, messages }: ModelRequest, { seesPictures }: ModelTraits): ReplyError | null {
  for (const message of messages) {
    for (const part of message.parts ?? []) {
      if (part.type !== 'image') continue;
      if (seesPictures === false) return unsupported('messages', `${model} does not see pictures: choose another model or leave them out.`);
      const source = readPictureUrl(part.url);
      if (!source || (source.kind === 'data' && !pictureTypes.includes(source.type))) {
        return unsupported('messages', 'Anthropic takes PNG, JPEG, GIF and WebP pictures, as data: with base64 or by an https: address.');
      }
    }
  }
  return null;
}

function refusedMessages({ messages, prefill }: ModelRequest): ReplyError | null {
  const says = messages.some(({ role, content, parts, toolCalls }) => role !== 'system' && (content.trim() !== '' || parts?.length || toolCalls?.length || role === 'tool'));
  if (says || prefill) return null;
  return { code: 'invalid_request', message: 'Anthropic answers messages, and there is none but the system prompt: send one.', parameter: 'messages', serviceFault: false };
}
