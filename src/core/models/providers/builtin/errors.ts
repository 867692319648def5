import type { ModelRequest, ReplyError } from '../../types.ts';
import { unsupported } from '../../wire/index.ts';

/** What only a language model can do: the field, OpenAI's name for it and what to say of it. */
const beyond: [asked: (request: ModelRequest) => boolean, parameter: string, what: string][] = [
  [(request) => Boolean(request.tools?.length) && request.toolChoice !== 'none', 'tools', 'calls no tools'],
  [(request) => request.responseFormat !== undefined, 'response_format', 'writes no JSON'],
  [(request) => request.logprobs !== undefined, 'logprobs', 'has no tokens and knows no probabilities of them'],
  [(request) => request.logitBias !== undefined && Object.keys(request.logitBias).length > 0, 'logit_bias', 'has no tokens to favour'],
  [(request) => request.messages.some((message) => message.parts?.some((part) => part.type === 'image')), 'messages', 'sees no pictures'],
];

/**
 * What the responder cannot do, said before it begins; null when it can do all that is asked. Settings that shape chance
 * (temperature, seed, penalties and the like) mean nothing to it: it always says the same.
 */
export function refusal(request: ModelRequest): ReplyError | null {
  const found = beyond.find(([asked]) => asked(request));
  return found ? unsupported(found[1], `The built-in responder is no language model and ${found[2]}. Choose another model.`) : null;
}

export const cancelled: ReplyError = { code: 'cancelled', message: 'The answer was cancelled.', serviceFault: false };
