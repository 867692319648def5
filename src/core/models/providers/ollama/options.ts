import type { ModelRequest, ReplyError } from '../../types.ts';
import { unsupported } from '../../wire/index.ts';

/** Tokens of context Ollama gives a model when nobody asks for more; it cuts longer prompts without a word. */
const ownContext = 4096;
/** Tokens kept free for the answer when the request sets no bound. */
const answerTokens = 1024;
/** Tokens around each message. */
const messageTokens = 8;

/** Tokens kept for a picture: what the larger of today's models that see take for one. */
const pictureTokens = 1024;

/** How long a model may be told to think, as Ollama's API has it; `none` is not at all. */
const efforts = ['none', 'low', 'medium', 'high'];

/** Why Ollama cannot be asked this; null when it can. */
export function refusal(request: ModelRequest): ReplyError | null {
  const { toolChoice, tools, reasoningEffort } = request;
  if (tools?.length && (typeof toolChoice === 'object' || toolChoice === 'required')) {
    return unsupported('tool_choice', 'Ollama cannot be made to call a tool: leave tool_choice out or set it to auto or none.');
  }
  if (tools?.length && toolChoice !== 'none' && request.parallelToolCalls === false) {
    return unsupported('parallel_tool_calls', 'Ollama cannot keep a model from calling several tools at once: leave parallel_tool_calls out.');
  }
  if (request.logitBias && Object.keys(request.logitBias).length > 0) return unsupported('logit_bias', 'Ollama has no logit_bias: leave it out.');
  if (reasoningEffort !== undefined && !efforts.includes(reasoningEffort)) {
    return unsupported('reasoning_effort', `Ollama knows no such reasoning_effort: use ${efforts.join(', ')} or leave it out.`);
  }
  const pictures = request.messages.flatMap((message) => message.parts ?? []).filter((part) => part.type === 'image');
  if (pictures.some((part) => base64Of(part.url) === null)) {
    return unsupported('image_url', 'Ollama takes pictures only as they are: send a data: URL with base64 (data:image/png;base64,...). Parley fetches none from other addresses.');
  }
  return null;
}

/** The base64 of a data: URL; null for any other address. */
export function base64Of(url: string): string | null {
  const comma = url.indexOf(',');
  return comma > 0 && /^data:image\/[\w.+-]+;base64$/i.test(url.slice(0, comma)) ? url.slice(comma + 1) : null;
}

/** Sampling in Ollama's `options`; what is undefined is left to the model. */
export function toOptions(request: ModelRequest, contextLength: number | null): Record<string, unknown> {
  return {
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    min_p: request.minP,
    repeat_penalty: request.repeatPenalty,
    num_predict: request.maxTokens,
    stop: request.stop,
    seed: request.seed,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    num_ctx: neededContext(request, contextLength),
  };
}

/**
 * The context to ask for: nothing for short conversations (asking makes Ollama load the model anew when it differs),
 * else the next power of two above an upper estimate, so that a growing conversation seldom causes a load; never more
 * than the model has.
 */
function neededContext(request: ModelRequest, contextLength: number | null): number | undefined {
  let bytes = Buffer.byteLength(request.prefill ?? '') + (request.tools ? Buffer.byteLength(JSON.stringify(request.tools)) : 0);
  for (const message of request.messages) {
    const pictures = message.parts?.filter((part) => part.type === 'image').length ?? 0;
    bytes += Buffer.byteLength(message.content) + 3 * (messageTokens + pictures * pictureTokens);
  }
  const tokens = Math.ceil(bytes / 3) + (request.maxTokens ?? answerTokens);
  if (tokens <= ownContext) return undefined;
  return Math.min(2 ** Math.ceil(Math.log2(tokens)), contextLength ?? Infinity, 1_048_576);
}
