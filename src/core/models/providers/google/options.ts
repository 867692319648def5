import { readPictureUrl } from '../../pictures.ts';
import type { ModelInfo, ModelRequest, ReplyError } from '../../types.ts';
import { unsupported } from '../../wire/index.ts';

/** An entry of the model list. Nothing but its name is trusted to be there. */
export interface ModelEntry {
  /** `models/` and the name. */
  name: string;
  displayName?: unknown;
  inputTokenLimit?: unknown;
  supportedGenerationMethods?: unknown;
  thinking?: unknown;
}

/** Models that answer in something else than text, or work for a purpose of their own. */
const otherPurposes = /image|tts|audio|live|computer-use|robotics|deep-research|aqa|veo|imagen|lyria|banana/;

/** What a model of the list is for; empty for those that are of no use here. */
export function kindsOf(entry: ModelEntry): ModelInfo['kinds'] {
  const methods: readonly unknown[] = Array.isArray(entry.supportedGenerationMethods) ? entry.supportedGenerationMethods : [];
  if (methods.includes('embedContent') || methods.includes('batchEmbedContents')) return ['embedding'];
  return methods.includes('generateContent') && !otherPurposes.test(entry.name) ? ['chat'] : [];
}

/**
 * How a model is told to think. `level`: Gemini 3 and later, by a word, and never not at all. `budget`: Gemini 2.5, by
 * tokens. `none`: models that do not think, or of which it is not known.
 */
export function thinkingBy(model: string): 'level' | 'budget' | 'none' {
  if (otherPurposes.test(model)) return 'none';
  if (model.startsWith('gemini-2.5')) return 'budget';
  return /^gemini-([3-9]|\d\d)/.test(model) || /^gemini-(pro|flash|flash-lite)-latest$/.test(model) ? 'level' : 'none';
}

/** Whether the service wants the signatures of its thoughts back with its tool calls (Gemini 3 and later). */
export function wantsSignatures(model: string): boolean {
  return model.startsWith('gemini-') && !/^gemini-(1|2|pro$|pro-vision)/.test(model);
}

/** Tokens that Google's own compatibility layer sets for these words: ai.google.dev/gemini-api/docs/openai. */
const budgets: Record<string, number> = { none: 0, minimal: 1024, low: 1024, medium: 8192, high: 24_576 };

/** `thinkingConfig` for a request; undefined for models that do not think. Thoughts come as summaries, which cost nothing more. */
export function thinkingConfig({ model, reasoningEffort }: Pick<ModelRequest, 'model' | 'reasoningEffort'>): object | undefined {
  const by = thinkingBy(model);
  if (by === 'none') return undefined;
  if (reasoningEffort === 'none') return { thinkingBudget: 0 };
  if (reasoningEffort === undefined) return { includeThoughts: true };
  return by === 'level' ? { includeThoughts: true, thinkingLevel: reasoningEffort } : { includeThoughts: true, thinkingBudget: budgets[reasoningEffort] };
}

/** Settings that the Gemini API does not have. */
const absent = [['minP', 'min_p'], ['repeatPenalty', 'repeat_penalty']] as const;

/** Kinds of pictures that Gemini sees: ai.google.dev/gemini-api/docs/image-understanding. */
const pictureTypes: readonly string[] = ['image/png', 'image/jpeg', 'image/webp', 'image/heic', 'image/heif'];

/** A picture as it can be sent; null for one that Gemini does not see. */
export function pictureOf(url: string): { mimeType: string; data: string } | null {
  const source = readPictureUrl(url);
  return source?.kind === 'data' && pictureTypes.includes(source.type) ? { mimeType: source.type, data: source.base64 } : null;
}

/** Why Gemini cannot be asked this; null when it can. */
export function refusal(request: ModelRequest): ReplyError | null {
  const found = absent.find(([field]) => request[field] !== undefined);
  if (found) return unsupported(found[1], `Google has no ${found[1]}: leave it out.`);
  if (request.logitBias && Object.keys(request.logitBias).length > 0) return unsupported('logit_bias', 'Google has no logit_bias: leave it out.');
  if (request.tools?.length && request.toolChoice !== 'none' && request.parallelToolCalls === false) {
    return unsupported('parallel_tool_calls', 'Google cannot keep a model from calling several tools at once: leave parallel_tool_calls out.');
  }
  return refusedPictures(request) ?? refusedEffort(request);
}

/** Only those of the question are refused: the model was asked about others before, maybe another one, and a note stands for them. */
function refusedPictures({ messages }: ModelRequest): ReplyError | null {
  const question = messages.slice(messages.findLastIndex(({ role }) => role === 'assistant') + 1);
  for (const part of question.flatMap(({ parts }) => parts ?? [])) {
    if (part.type !== 'image' || pictureOf(part.url)) continue;
    return readPictureUrl(part.url)?.kind === 'data'
      ? unsupported('image_url', 'Google takes PNG, JPEG, WebP, HEIC and HEIF pictures: send this one as one of these.')
      : unsupported('image_url', 'Google takes pictures only as they are: send a data: URL with base64 (data:image/png;base64,...). Parley fetches none from other addresses.');
  }
  return null;
}

function refusedEffort({ model, reasoningEffort }: ModelRequest): ReplyError | null {
  if (reasoningEffort === undefined) return null;
  const by = thinkingBy(model);
  if (by === 'none') return reasoningEffort === 'none' ? null : unsupported('reasoning_effort', `${model} does not think: leave reasoning_effort out.`);
  const words = by === 'level' || model.startsWith('gemini-2.5-pro') ? ['minimal', 'low', 'medium', 'high'] : Object.keys(budgets);
  return words.includes(reasoningEffort) ? null : unsupported('reasoning_effort', `${model} takes ${words.join(', ')} as reasoning_effort.`);
}
