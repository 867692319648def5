import { readPictureUrl } from '../../pictures.ts';
import type { ModelInfo, ModelRequest, ReplyError } from '../../types.ts';
import { unsupported } from '../../wire/index.ts';

/** An entry of the model list. Nothing but its name is trusted to be there. */
export interface ModelEntry {
  name: string;
  endpoints?: unknown;
  context_length?: unknown;
  features?: unknown;
  is_deprecated?: unknown;
}

/** What a model of the list is for; empty for those that are of no use here, and those that are given up. */
export function kindsOf({ endpoints, is_deprecated: isDeprecated }: ModelEntry): ModelInfo['kinds'] {
  if (isDeprecated === true || !Array.isArray(endpoints)) return [];
  return [...(endpoints.includes('chat') ? (['chat'] as const) : []), ...(endpoints.includes('embed') ? (['embedding'] as const) : [])];
}

/** What a model can do besides answering in text; null where the list does not say. */
export function capabilitiesOf({ features }: ModelEntry): NonNullable<ModelInfo['details']>['capabilities'] {
  if (!Array.isArray(features)) return null;
  const has = (name: string): boolean => features.includes(name);
  return [
    ...(has('tools') || has('tool_choice') || has('strict_tools') ? (['tools'] as const) : []),
    ...(has('vision') ? (['vision'] as const) : []),
    ...(has('reasoning') || has('thinking') ? (['thinking'] as const) : []),
  ];
}

/** How long a model that reasons may think, in tokens; `high` is as long as it likes. */
const budgets: Record<string, number | undefined> = { low: 1024, medium: 8192, high: undefined };

/** `thinking` for a request; undefined leaves it to the model. */
export function thinkingOf(effort: string | undefined): object | undefined {
  if (effort === undefined) return undefined;
  return effort === 'none' ? { type: 'disabled' } : { type: 'enabled', token_budget: budgets[effort] };
}

/** Settings that Cohere's API does not have. */
const absent = [['minP', 'min_p'], ['repeatPenalty', 'repeat_penalty']] as const;

/** Why Cohere cannot be asked this; null when it can. */
export function refusal(request: ModelRequest): ReplyError | null {
  const found = absent.find(([field]) => request[field] !== undefined);
  if (found) return unsupported(found[1], `Cohere has no ${found[1]}: leave it out.`);
  if (request.logitBias && Object.keys(request.logitBias).length > 0) return unsupported('logit_bias', 'Cohere has no logit_bias: leave it out.');
  if (request.logprobs && request.logprobs.top > 0) return unsupported('top_logprobs', 'Cohere tells the log-probabilities of the tokens it chose, and of no others: leave top_logprobs out.');
  if (request.tools?.length && request.toolChoice !== 'none' && request.parallelToolCalls === false) {
    return unsupported('parallel_tool_calls', 'Cohere cannot keep a model from calling several tools at once: leave parallel_tool_calls out.');
  }
  const { reasoningEffort } = request;
  if (reasoningEffort !== undefined && reasoningEffort !== 'none' && !Object.hasOwn(budgets, reasoningEffort)) {
    return unsupported('reasoning_effort', 'Cohere knows no such reasoning_effort: use none, low, medium or high, or leave it out.');
  }
  const pictures = request.messages.flatMap((message) => message.parts ?? []).filter((part) => part.type === 'image');
  return pictures.some((part) => readPictureUrl(part.url) === null)
    ? unsupported('image_url', 'Cohere takes pictures as https: addresses, or as data: URLs with base64 (data:image/png;base64,...).')
    : null;
}
