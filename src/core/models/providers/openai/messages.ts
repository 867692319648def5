import type { ContentPart, ModelMessage, ModelRequest, ToolDefinition } from '../../types.ts';
import { goOn } from '../../wire/index.ts';

/** Where servers of this form differ in what they take. */
export interface ChatForm {
  /** The field that bounds the answer: older servers know only `max_tokens`, OpenAI's reasoning models only the other. */
  maxTokensField: 'max_tokens' | 'max_completion_tokens';
  /** Whether to ask for usage at the end of the stream. */
  includeUsage: boolean;
  /** Whether the server may know the settings that OpenAI's own service lacks: `top_k`, `min_p`, the penalty for repeats. */
  takesExtensions: boolean;
}

/** A request in the form of POST /chat/completions, as JSON text. */
export function toChatBody(request: ModelRequest, form: ChatForm): string {
  const messages = request.messages.map(toWireMessage);
  if (request.prefill !== undefined && request.prefill !== '') {
    messages.push({ role: 'assistant', content: request.prefill }, { role: 'user', content: goOn });
  }
  const { logprobs, tools } = request;
  const hasTools = tools !== undefined && tools.length > 0;
  // JSON leaves out what is undefined: the service's own defaults hold then.
  return JSON.stringify({
    model: request.model,
    messages,
    stream: !request.whole,
    stream_options: form.includeUsage && !request.whole ? { include_usage: true } : undefined,
    [form.maxTokensField]: request.maxTokens,
    temperature: request.temperature,
    top_p: request.topP,
    stop: request.stop,
    seed: request.seed,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    logit_bias: request.logitBias,
    reasoning_effort: request.reasoningEffort,
    verbosity: request.verbosity,
    logprobs: logprobs ? true : undefined,
    top_logprobs: logprobs && logprobs.top > 0 ? logprobs.top : undefined,
    response_format: toWireFormat(request.responseFormat),
    tools: hasTools ? tools.map(toWireTool) : undefined,
    tool_choice: hasTools ? toWireChoice(request.toolChoice) : undefined,
    parallel_tool_calls: hasTools ? request.parallelToolCalls : undefined,
    ...(form.takesExtensions ? extensions(request) : {}),
  });
}

/** Settings of servers that run open models. For repeats they have two names: each takes the one it knows. */
function extensions({ topK, minP, repeatPenalty }: ModelRequest): object {
  return { top_k: topK, min_p: minP, repetition_penalty: repeatPenalty, repeat_penalty: repeatPenalty };
}

function toWireMessage(message: ModelMessage): object {
  if (message.role === 'tool') return { role: 'tool', tool_call_id: message.toolCallId, content: message.content };
  if (message.parts) return { role: message.role, content: message.parts.map(toWirePart) };
  if (!message.toolCalls?.length) return { role: message.role, content: message.content };
  return {
    role: message.role,
    content: message.content === '' ? null : message.content,
    tool_calls: message.toolCalls.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } })),
  };
}

function toWirePart(part: ContentPart): object {
  if (part.type === 'text') return { type: 'text', text: part.text };
  return { type: 'image_url', image_url: { url: part.url, detail: part.detail } };
}

function toWireTool(tool: ToolDefinition): object {
  return { type: 'function', function: { name: tool.name, description: tool.description, parameters: tool.parameters, strict: tool.strict } };
}

function toWireChoice(choice: ModelRequest['toolChoice']): unknown {
  return typeof choice === 'object' ? { type: 'function', function: { name: choice.name } } : choice;
}

function toWireFormat(format: ModelRequest['responseFormat']): object | undefined {
  if (format?.type !== 'json_schema') return format;
  const { name, description, schema, strict } = format;
  return { type: 'json_schema', json_schema: { name, description, schema, strict } };
}
