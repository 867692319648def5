import { ParleyError } from '../base/errors.ts';
import { cleanText } from '../base/text.ts';
import { latestModel, type ModelMessage, type Sampling } from '../core/models/index.ts';
import type { ChatTurn, Provider, Settings } from './types.ts';

/** Most messages of one call; with more, nobody means to ask a model. */
const mostMessages = 4000;

/** The model that a session and a call without any begin with, as documented. */
export const documentedModel = 'gpt-4o';

/**
 * `provider/model` for a provider and, unless its newest is meant, a model.
 * @throws {ParleyError} `invalid_request`, and `model_not_found` where no newest model is known for the provider
 */
export function modelId(provider: Provider, model: string | null | undefined): string {
  const named = providerName(provider);
  if (model) return `${named}/${cleanText(model, 'model')}`;
  const latest = isDocumented(named) ? latestModel(named) : null;
  if (!latest) throw new ParleyError('model_not_found', { message: `Name a model: none is known to be the newest of ${named}.`, parameter: 'model' });
  return `${named}/${latest.model}`;
}

/** @throws {ParleyError} `invalid_request` for what is no name of a provider, `no_model` for the built-in responder */
export function providerName(provider: Provider): string {
  if (typeof provider !== 'string' || !/^[\w.-]{1,64}$/.test(provider)) throw new ParleyError('invalid_request', { message: 'provider must be the name of a provider, such as openai.', parameter: 'provider' });
  // It is no language model, and answers only where it can say so.
  if (provider === 'builtin') throw new ParleyError('no_model');
  return provider;
}

function isDocumented(provider: string): provider is 'openai' | 'anthropic' | 'google' | 'cohere' {
  return ['openai', 'anthropic', 'google', 'cohere'].includes(provider);
}

/** @throws {ParleyError} `invalid_request` */
export function modelMessages(messages: readonly ChatTurn[]): ModelMessage[] {
  if (!Array.isArray(messages) || messages.length === 0 || messages.length > mostMessages) {
    throw new ParleyError('invalid_request', { message: `messages must be a list of 1 to ${mostMessages} messages.`, parameter: 'messages' });
  }
  return messages.map((message: ChatTurn, index) => {
    const { role, content } = message ?? {};
    if (!['system', 'user', 'assistant'].includes(role) || typeof content !== 'string') {
      throw new ParleyError('invalid_request', { message: `messages[${index}] must have a role (system, user or assistant) and a content that is text.`, parameter: 'messages' });
    }
    return { role, content: cleanText(content, 'content') };
  });
}

type SettingReader = (value: unknown, name: string) => Sampling;

const numberBetween = (field: keyof Sampling, least: number, most: number, whole = false): SettingReader => (value, name) => {
  if (typeof value !== 'number' || !(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
    throw new ParleyError('invalid_request', { message: `${name} must be a ${whole ? 'whole ' : ''}number from ${least} to ${most}.`, parameter: name });
  }
  return { [field]: value };
};

const readers: Readonly<Record<string, SettingReader>> = {
  temperature: numberBetween('temperature', 0, 2),
  maxTokens: numberBetween('maxTokens', 1, 10_000_000, true),
  topP: numberBetween('topP', 0, 1),
  topK: numberBetween('topK', 1, 1_000_000, true),
  seed: numberBetween('seed', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, true),
  frequencyPenalty: numberBetween('frequencyPenalty', -2, 2),
  presencePenalty: numberBetween('presencePenalty', -2, 2),
  stop: (value, name) => {
    const texts = typeof value === 'string' ? [value] : value;
    if (!Array.isArray(texts) || texts.length === 0 || texts.length > 16 || !texts.every((text) => typeof text === 'string' && text.length > 0)) {
      throw new ParleyError('invalid_request', { message: `${name} must be a text or a list of 1 to 16 texts.`, parameter: name });
    }
    return { stop: texts as string[] };
  },
};

/** @throws {ParleyError} `invalid_request`, `unsupported_value` for a setting that is not known */
export function samplingOf(settings: Settings | null | undefined): Sampling {
  let sampling: Sampling = {};
  for (const [name, value] of Object.entries(settings ?? {})) {
    if (value === undefined || value === null) continue;
    const known = name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const reader = Object.hasOwn(readers, known) ? readers[known] : undefined;
    if (!reader) throw new ParleyError('unsupported_value', { message: `There is no setting ${name}. Known are ${Object.keys(readers).join(', ')}.`, parameter: name });
    sampling = { ...sampling, ...reader(value, name) };
  }
  return sampling;
}

/** Tokens sent and made together; null when one of the two is not known. */
export function tokensOf(sent: number | null | undefined, made: number | null | undefined): number | null {
  return typeof sent === 'number' && typeof made === 'number' ? sent + made : null;
}

/** Dollars for micro-dollars. */
export function dollars(micros: number | null): number | null {
  return micros === null ? null : micros / 1e6;
}
