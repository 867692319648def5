import type { ContentPart, ModelMessage, ModelRequest, ResponseFormat, ToolDefinition } from '../../types.ts';
import { goOn } from '../../wire/index.ts';
import { thinkingOf } from './options.ts';
import { narrowSchema } from './schemas.ts';

/** A request in the form of POST /v2/chat, as JSON text. */
export function toChatBody(request: ModelRequest): string {
  const format = toWireFormat(request.responseFormat);
  const tools = offeredTools(request);
  // JSON leaves out what is undefined: the service's own defaults hold then.
  return JSON.stringify({
    model: request.model,
    messages: toWireMessages(request, format !== undefined && !('json_schema' in format)),
    stream: !request.whole,
    max_tokens: request.maxTokens,
    temperature: request.temperature,
    // 1 asks for nothing; the service takes no more than 0.99, and no less than 0.01.
    p: request.topP === undefined ? undefined : Math.min(Math.max(request.topP, 0.01), 0.99),
    k: request.topK,
    stop_sequences: request.stop,
    seed: request.seed,
    // 0 asks for nothing, and some models refuse to be given both.
    frequency_penalty: request.frequencyPenalty || undefined,
    presence_penalty: request.presencePenalty || undefined,
    logprobs: request.logprobs ? true : undefined,
    thinking: thinkingOf(request.reasoningEffort),
    response_format: format,
    tools: tools?.map(toWireTool),
    tool_choice: tools && toWireChoice(request.toolChoice),
    strict_tools: canHoldTools(tools) ? true : undefined,
  });
}

/** All tools are held to their schemas, or none: each that asks for it must have one that says all it means to the service, and so must the others. */
function canHoldTools(tools: readonly ToolDefinition[] | undefined): boolean {
  return tools?.some((tool) => tool.strict) === true && tools.every((tool) => narrowSchema(tool.parameters)?.isExact === true);
}

/**
 * The conversation as the service takes it: one instruction at its beginning, nothing that is empty, and no end with an answer.
 * @param saysFormat whether the form of the answer must be said in words
 */
function toWireMessages({ messages, prefill, responseFormat }: ModelRequest, saysFormat: boolean): object[] {
  const instructions = messages.filter(({ role, content }) => role === 'system' && content.trim() !== '').map(({ content }) => content);
  if (saysFormat && responseFormat?.type === 'json_schema') instructions.push(`Answer with one JSON object, which must fit this JSON Schema:\n${JSON.stringify(responseFormat.schema)}`);
  const turns = messages.filter(({ role }) => role !== 'system').flatMap(toWireMessage);
  if (prefill !== undefined && prefill !== '') turns.push({ role: 'assistant', content: prefill });
  const last = turns.at(-1);
  if (last && 'content' in last && last.role === 'assistant') turns.push({ role: 'user', content: goOn });
  return instructions.length > 0 ? [{ role: 'system', content: instructions.join('\n\n') }, ...turns] : turns;
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

/** One message, or none: the service refuses those that say nothing. */
function toWireMessage(message: ModelMessage): ({ role: string } & Record<string, unknown>)[] {
  if (message.role === 'tool') return [{ role: 'tool', tool_call_id: message.toolCallId, content: message.content }];
  if (message.parts) return [{ role: message.role, content: message.parts.map(toWirePart) }];
  if (!message.toolCalls?.length) return message.content.trim() === '' ? [] : [{ role: message.role, content: message.content }];
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

function toWireFormat(format: ResponseFormat | undefined): object | undefined {
  const narrow = format?.type === 'json_schema' ? narrowSchema(format.schema) : null;
  return format && { type: 'json_object', ...(narrow ? { json_schema: narrow.schema } : {}) };
}
