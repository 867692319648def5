import { readPictureUrl } from '../../pictures.ts';
import type { ContentPart, ModelMessage, ModelRequest, ToolCall, ToolDefinition } from '../../types.ts';
import { goOn, leftOut } from '../../wire/index.ts';
import { maxTokensOf, mostUnstreamed, type ModelTraits } from './options.ts';
import { narrowSchema } from './schemas.ts';
import { thinkingOf } from './thinking.ts';

/** What is left out of a request that the service refused with it. */
export interface Without {
  /** Temperature, `top_p` and `top_k`. */
  sampling?: boolean;
  /** The schemas that the service holds a model to. The answer is held against its schema here all the same. */
  schemas?: boolean;
}

/** A block of a message. */
type Block = Record<string, unknown>;
interface WireMessage {
  role: 'user' | 'assistant';
  content: Block[];
}

/** A request in the form of POST /v1/messages, as JSON text. */
export function toWireBody(request: ModelRequest, traits: ModelTraits, without: Without = {}): string {
  const messages = toWireMessages(request, traits);
  const maxTokens = maxTokensOf(request, traits);
  const { thinking, effort } = thinkingOf(request, traits, messages, maxTokens);
  const format = without.schemas ? null : nativeFormat(request, traits);
  // A model that thinks takes no other settings of sampling than its own.
  const takesSampling = traits.takesSampling && !without.sampling && (thinking === undefined || thinking.type === 'disabled');
  const outputConfig = { effort, format: format ? { type: 'json_schema', schema: format } : undefined };
  // JSON leaves out what is undefined: the service's own defaults hold then.
  return JSON.stringify({
    model: request.model,
    max_tokens: maxTokens,
    system: systemOf(request, format !== null),
    messages,
    stream: !request.whole || maxTokens > mostUnstreamed,
    temperature: takesSampling ? request.temperature : undefined,
    // 1 asks for nothing, and models since 4.1 refuse any top_p beside a temperature.
    top_p: takesSampling && request.topP !== 1 ? request.topP : undefined,
    top_k: takesSampling ? request.topK : undefined,
    stop_sequences: request.stop?.filter((text) => text.trim() !== ''),
    thinking,
    output_config: effort === undefined && format === null ? undefined : outputConfig,
    ...toolFields(request, traits, messages, without),
  });
}

/** White space at the end of a text that the model is to go on with: the service refuses it, so it is not sent. */
export function blankEnd(request: ModelRequest, traits: ModelTraits): string {
  const prefill = request.prefill ?? '';
  return traits.takesPrefill ? prefill.slice(prefill.trimEnd().length) : '';
}

/** All system messages together: they have a field of their own. What no schema holds the answer to is said there. */
function systemOf({ messages, responseFormat }: ModelRequest, isHeld: boolean): string | undefined {
  const parts = messages.flatMap((message) => (message.role === 'system' && message.content.trim() !== '' ? [message.content] : []));
  if (responseFormat && !isHeld) {
    const schema = responseFormat.type === 'json_schema' ? `, and it must fit this JSON Schema:\n${JSON.stringify(responseFormat.schema)}` : '.';
    parts.push(`Answer with one JSON object and nothing else: no words around it, no code fence${schema}`);
  }
  return parts.length > 0 ? parts.join('\n\n') : undefined;
}

/** The schema the service can hold the answer to; null where it cannot. An answer that has begun already is past that. */
function nativeFormat({ responseFormat, prefill }: ModelRequest, { takesSchemas }: ModelTraits): object | null {
  if (responseFormat?.type !== 'json_schema' || !takesSchemas || prefill) return null;
  return narrowSchema(responseFormat.schema)?.schema ?? null;
}

/**
 * Messages by turns: neighbours of the same role become one message, results of tools come first in theirs, and what is
 * empty is left out, since the service refuses it.
 */
function toWireMessages(request: ModelRequest, traits: ModelTraits): WireMessage[] {
  const messages: WireMessage[] = [];
  const add = (role: WireMessage['role'], blocks: Block[]): void => {
    const last = messages.at(-1);
    if (blocks.length === 0) return;
    if (last?.role === role) last.content.push(...blocks);
    else messages.push({ role, content: blocks });
  };
  for (const message of request.messages) {
    if (message.role === 'assistant') add('assistant', [...textBlock(message.content), ...(message.toolCalls ?? []).map(toolUse)]);
    else if (message.role === 'tool') add('user', [toolResult(message)]);
    else if (message.role === 'user') add('user', message.parts ? message.parts.flatMap(toBlocks) : textBlock(message.content));
  }
  addPrefill(add, messages, request.prefill ?? '', traits);
  if (messages[0]?.role === 'assistant') messages.unshift({ role: 'user', content: textBlock(leftOut) });
  for (const message of messages) message.content.sort((one, other) => Number(other['type'] === 'tool_result') - Number(one['type'] === 'tool_result'));
  return messages;
}

/** The text that the answer begins with: as the last message where the model goes on behind it, else with the words to do so. */
function addPrefill(add: (role: WireMessage['role'], blocks: Block[]) => void, messages: WireMessage[], prefill: string, { takesPrefill }: ModelTraits): void {
  const begun = takesPrefill ? prefill.trimEnd() : prefill;
  add('assistant', textBlock(begun));
  const last = messages.at(-1);
  if (last?.role !== 'assistant' || last.content.some((block) => block['type'] === 'tool_use')) return;
  if (!takesPrefill) return add('user', textBlock(goOn));
  const end = last.content.at(-1)!;
  end['text'] = String(end['text']).trimEnd();
}

function textBlock(text: string): Block[] {
  return text.trim() === '' ? [] : [{ type: 'text', text }];
}

function toBlocks(part: ContentPart): Block[] {
  if (part.type === 'text') return textBlock(part.text);
  const source = readPictureUrl(part.url);
  if (!source) return [];
  return [{ type: 'image', source: source.kind === 'address' ? { type: 'url', url: source.url } : { type: 'base64', media_type: source.type, data: source.base64 } }];
}

/** Ids of other services may have characters that Anthropic refuses. */
function idOf(id: string | undefined): string {
  return (id ?? '').replaceAll(/[^\w-]/g, '_') || 'call';
}

function toolUse(call: ToolCall): Block {
  return { type: 'tool_use', id: idOf(call.id), name: call.name, input: argumentsOf(call.arguments) };
}

/** The arguments as an object, which is the only form taken; a model may have written something else. */
function argumentsOf(text: string): object {
  try {
    const value: unknown = JSON.parse(text || '{}');
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { value };
  } catch {
    return { text };
  }
}

function toolResult(message: ModelMessage): Block {
  return { type: 'tool_result', tool_use_id: idOf(message.toolCallId), content: message.content === '' ? undefined : message.content };
}

function toolFields(request: ModelRequest, traits: ModelTraits, messages: readonly WireMessage[], without: Without): object {
  const { tools, toolChoice, parallelToolCalls } = request;
  if (!tools?.length) {
    // Tools that were used before must be named, also when none is offered any more.
    const used = new Set(messages.flatMap(({ content }) => content.flatMap((block) => (block['type'] === 'tool_use' ? [String(block['name'])] : []))));
    if (used.size === 0) return {};
    return { tools: [...used].map((name) => ({ name, input_schema: { type: 'object' } })), tool_choice: { type: 'none' } };
  }
  const type = typeof toolChoice === 'object' ? 'tool' : toolChoice === 'required' ? 'any' : (toolChoice ?? 'auto');
  const oneAtATime = parallelToolCalls === false && type !== 'none' ? true : undefined;
  return {
    tools: tools.map((tool) => toWireTool(tool, traits, without)),
    tool_choice: toolChoice === undefined && !oneAtATime
      ? undefined
      : { type, name: typeof toolChoice === 'object' ? toolChoice.name : undefined, disable_parallel_tool_use: oneAtATime },
  };
}

function toWireTool(tool: ToolDefinition, { takesSchemas }: ModelTraits, without: Without): object {
  const narrow = tool.strict && takesSchemas && !without.schemas ? narrowSchema(tool.parameters) : null;
  const isHeld = narrow?.isExact === true;
  return { name: tool.name, description: tool.description, input_schema: { type: 'object', ...tool.parameters }, strict: isHeld ? true : undefined };
}
