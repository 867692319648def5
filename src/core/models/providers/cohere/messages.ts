import type { ContentPart, ModelMessage, ModelRequest, ToolDefinition } from '../../types.ts';
import { goOn } from '../../wire/index.ts';
import { thinkingOf } from './options.ts';

/** A request in the form of POST /v2/chat, as JSON text. */
export function toChatBody(request: ModelRequest): string {
  const messages = request.messages.flatMap(toWireMessage);
  if (request.prefill !== undefined && request.prefill !== '') {
    messages.push({ role: 'assistant', content: request.prefill }, { role: 'user', content: goOn });
  }
  const tools = offeredTools(request);
  // JSON leaves out what is undefined: the service's own defaults hold then.
  return JSON.stringify({
    model: request.model,
    messages,
    stream: !request.whole,
    max_tokens: request.maxTokens,
    temperature: request.temperature,
    p: request.topP,
    k: request.topK,
    stop_sequences: request.stop,
    seed: request.seed,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    logprobs: request.logprobs ? true : undefined,
    thinking: thinkingOf(request.reasoningEffort),
    response_format: toWireFormat(request.responseFormat),
    tools: tools?.map(toWireTool),
    tool_choice: tools && toWireChoice(request.toolChoice),
    strict_tools: tools?.some((tool) => tool.strict) ? true : undefined,
  });
}

/** Cohere cannot be told which tool must be called, only that one must: then it is offered no other. */
function offeredTools({ tools, toolChoice }: ModelRequest): ToolDefinition[] | undefined {
  if (!tools || tools.length === 0) return undefined;
  return typeof toolChoice === 'object' ? tools.filter((tool) => tool.name === toolChoice.name) : tools;
}

function toWireChoice(choice: ModelRequest['toolChoice']): string | undefined {
  if (typeof choice === 'object' || choice === 'required') return 'REQUIRED';
  return choice === 'none' ? 'NONE' : undefined;
}

/** One message, or none: the service refuses an answer that says nothing. */
function toWireMessage(message: ModelMessage): object[] {
  if (message.role === 'tool') return [{ role: 'tool', tool_call_id: message.toolCallId, content: message.content }];
  if (message.parts) return [{ role: message.role, content: message.parts.map(toWirePart) }];
  if (!message.toolCalls?.length) return message.role === 'assistant' && message.content === '' ? [] : [{ role: message.role, content: message.content }];
  return [{
    role: message.role,
    // What is said before tools are called is a plan here, and stands in the place of the text.
    tool_plan: message.content === '' ? undefined : message.content,
    tool_calls: message.toolCalls.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments === '' ? '{}' : call.arguments } })),
  }];
}

function toWirePart(part: ContentPart): object {
  if (part.type === 'text') return { type: 'text', text: part.text };
  return { type: 'image_url', image_url: { url: part.url, detail: part.detail } };
}

function toWireTool({ name, description, parameters }: ToolDefinition): object {
  return { type: 'function', function: { name, description, parameters } };
}

function toWireFormat(format: ModelRequest['responseFormat']): object | undefined {
  return format && { type: 'json_object', json_schema: format.type === 'json_schema' ? format.schema : undefined };
}
