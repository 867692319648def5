import type { ModelMessage, ModelRequest } from '../../types.ts';
import { argumentsObject, toolNameOf } from '../../wire/index.ts';
import { base64Of, toOptions } from './options.ts';

/**
 * A request in the form of POST /api/chat, as JSON text. A prefill is a last message of the assistant: Ollama leaves it
 * open and the model goes on behind it.
 * @param contextLength tokens of context of the model; null when not known
 */
export function toChatBody(request: ModelRequest, contextLength: number | null): string {
  const messages = request.messages.map((message) => toWireMessage(message, request.messages));
  if (request.prefill !== undefined && request.prefill !== '') messages.push({ role: 'assistant', content: request.prefill });
  const hasTools = request.tools?.length && request.toolChoice !== 'none';
  return JSON.stringify({
    model: request.model,
    messages,
    stream: !request.whole,
    format: toFormat(request.responseFormat),
    think: toThink(request.reasoningEffort),
    logprobs: request.logprobs ? true : undefined,
    top_logprobs: request.logprobs && request.logprobs.top > 0 ? request.logprobs.top : undefined,
    options: toOptions(request, contextLength),
    tools: hasTools ? request.tools!.map((tool) => ({ type: 'function', function: { name: tool.name, description: tool.description ?? '', parameters: tool.parameters } })) : undefined,
  });
}

function toWireMessage(message: ModelMessage, all: readonly ModelMessage[]): object {
  if (message.role === 'tool') return { role: 'tool', tool_name: toolNameOf(message.toolCallId, all), tool_call_id: message.toolCallId, content: message.content };
  if (message.parts) return { role: message.role, content: message.content, images: message.parts.flatMap((part) => (part.type === 'image' ? [base64Of(part.url)!] : [])) };
  if (!message.toolCalls?.length) return { role: message.role, content: message.content };
  return {
    role: message.role,
    content: message.content,
    tool_calls: message.toolCalls.map((call) => ({ id: call.id, function: { name: call.name, arguments: argumentsObject(call.arguments) } })),
  };
}

/** A format is `json` or the schema itself. */
function toFormat(format: ModelRequest['responseFormat']): unknown {
  return format?.type === 'json_schema' ? format.schema : format && 'json';
}

/** Whether, and for models that can tell degrees apart how long, the model thinks; see refusal in ./options.ts. */
function toThink(effort: string | undefined): boolean | string | undefined {
  return effort === 'none' ? false : effort;
}
