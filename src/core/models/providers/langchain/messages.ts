import type { ModelRequest } from '../../types.ts';
import { isReasoningModel } from '../openai/options.ts';
import { toChatBody } from '../openai/messages.ts';

/** Where the service is to ask, and with which key. */
export interface Connection {
  /** Base URL of a service with OpenAI's API. */
  baseUrl: string;
  apiKey: string;
  /** As errors name it. */
  label: string;
  timeoutMs: number;
  /** Whether it takes the settings that OpenAI's own service lacks. */
  takesExtensions: boolean;
}

/** A question in the service's form: OpenAI's request, and where to ask it. */
export function toQuestion(request: ModelRequest, connection: Connection): string {
  const { baseUrl, apiKey, label, timeoutMs, takesExtensions } = connection;
  const where = JSON.stringify({ base_url: baseUrl, api_key: apiKey, label, timeout_ms: timeoutMs });
  const body = toChatBody(request, { maxTokensField: isReasoningModel(request.model) ? 'max_completion_tokens' : 'max_tokens', includeUsage: true, takesExtensions });
  return `{"connection":${where},"request":${body}}`;
}
