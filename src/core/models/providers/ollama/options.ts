import type { ModelRequest } from '../../types.ts';

/** Tokens of context Ollama gives a model when nobody asks for more; it cuts longer prompts without a word. */
const ownContext = 4096;
/** Tokens kept free for the answer when the request sets no bound. */
const answerTokens = 1024;
/** Tokens around each message. */
const messageTokens = 8;

/** Sampling in Ollama's `options`; what is undefined is left to the model. */
export function toOptions(request: ModelRequest, contextLength: number | null): Record<string, unknown> {
  return {
    temperature: request.temperature,
    top_p: request.topP,
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
  for (const message of request.messages) bytes += Buffer.byteLength(message.content) + 3 * messageTokens;
  const tokens = Math.ceil(bytes / 3) + (request.maxTokens ?? answerTokens);
  if (tokens <= ownContext) return undefined;
  return Math.min(2 ** Math.ceil(Math.log2(tokens)), contextLength ?? Infinity, 1_048_576);
}
