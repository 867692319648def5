import type { FinishReason, ReplyError, ReplyEvent, TokenLogprob, Usage } from '../../types.ts';

/*
 * The events of an answer as the LangChain service sends them: one JSON object each. docs/langchain.md shows them.
 */

/** An event, put into the service's form. */
export function toWire(event: ReplyEvent): object {
  switch (event.type) {
    case 'text':
      return { type: 'text', text: event.text, ...(event.isRefusal ? { refusal: true } : {}) };
    case 'tool':
      return { type: 'tool', index: event.index, id: event.id, name: event.name, arguments: event.arguments };
    case 'usage': {
      const { tokensIn, tokensOut, tokensReasoning, tokensCached } = event.usage;
      return { type: 'usage', input: tokensIn, output: tokensOut, reasoning: tokensReasoning, cached: tokensCached };
    }
    case 'error': {
      const { code, message, status, parameter, retryAfterMs, serviceFault } = event.error;
      return { type: 'error', code, message, status, parameter, retry_after_ms: retryAfterMs, service_fault: serviceFault };
    }
    default:
      return event;
  }
}

const errorCodes: readonly string[] = [
  'no_api_key', 'invalid_api_key', 'quota_exceeded', 'rate_limited', 'model_not_found', 'context_overflow', 'invalid_request',
  'provider_unavailable', 'provider_error', 'provider_timeout', 'cancelled', 'unsupported_value', 'internal',
] satisfies ReplyError['code'][];
const finishReasons: readonly string[] = ['stop', 'length', 'tool', 'content_filter'] satisfies FinishReason[];

type Fields = Record<string, unknown>;

/** An event of the service's form; null for what is none, or of a kind that came later. Nothing in it is trusted. */
export function fromWire(value: unknown): ReplyEvent | null {
  if (typeof value !== 'object' || value === null) return null;
  const fields = value as Fields;
  switch (fields['type']) {
    case 'text':
      return typeof fields['text'] === 'string' ? { type: 'text', text: fields['text'], ...(fields['refusal'] === true ? { isRefusal: true as const } : {}) } : null;
    case 'reasoning':
      return typeof fields['text'] === 'string' ? { type: 'reasoning', text: fields['text'] } : null;
    case 'model':
      return typeof fields['model'] === 'string' && fields['model'] !== '' ? { type: 'model', model: fields['model'].slice(0, 200) } : null;
    case 'tool':
      return toolFrom(fields);
    case 'usage':
      return { type: 'usage', usage: usageFrom(fields) };
    case 'logprobs':
      return Array.isArray(fields['tokens']) ? { type: 'logprobs', tokens: fields['tokens'] as TokenLogprob[] } : null;
    case 'finish':
      return finishReasons.includes(String(fields['reason'])) ? { type: 'finish', reason: fields['reason'] as FinishReason } : null;
    case 'error':
      return { type: 'error', error: errorFrom(fields) };
    default:
      return null;
  }
}

function toolFrom(fields: Fields): ReplyEvent | null {
  const { index, id, name } = fields;
  if (typeof index !== 'number' || typeof fields['arguments'] !== 'string') return null;
  return {
    type: 'tool', index, arguments: fields['arguments'],
    ...(typeof id === 'string' ? { id } : {}),
    ...(typeof name === 'string' ? { name } : {}),
  };
}

function usageFrom(fields: Fields): Usage {
  const usage: Usage = {};
  const names = [['input', 'tokensIn'], ['output', 'tokensOut'], ['reasoning', 'tokensReasoning'], ['cached', 'tokensCached']] as const;
  for (const [wire, name] of names) {
    const count = fields[wire];
    if (typeof count === 'number' && Number.isInteger(count) && count >= 0) usage[name] = count;
  }
  return usage;
}

function errorFrom(fields: Fields): ReplyError {
  const { code, message, status, parameter, retry_after_ms: retryAfterMs, service_fault: serviceFault } = fields;
  const isKnown = errorCodes.includes(String(code));
  return {
    code: isKnown ? (code as ReplyError['code']) : 'provider_error',
    message: typeof message === 'string' && message !== '' ? message.slice(0, 4000) : 'The LangChain service failed without saying why.',
    serviceFault: isKnown ? serviceFault === true : true,
    ...(typeof status === 'number' ? { status } : {}),
    ...(typeof parameter === 'string' ? { parameter } : {}),
    ...(typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? { retryAfterMs } : {}),
  };
}
