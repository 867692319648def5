import type { ModelMessage, ModelRequest, ToolDefinition } from '../../types.ts';

/** Where servers of this form differ in what they take. */
export interface ChatForm {
  /** The field that bounds the answer: older servers know only `max_tokens`, OpenAI's reasoning models only the other. */
  maxTokensField: 'max_tokens' | 'max_completion_tokens';
  /** Whether to ask for usage at the end of the stream. */
  includeUsage: boolean;
}

/** What the model is told when it is to go on behind a text. The form has no way to begin its answer for it. */
const goOn = 'Your last message was interrupted. Go on exactly where it stops: do not repeat any of it and do not comment on this.';

/** A request in the form of POST /chat/completions, as JSON text. */
export function toChatBody(request: ModelRequest, form: ChatForm): string {
  const messages = request.messages.map(toWireMessage);
  if (request.prefill !== undefined && request.prefill !== '') {
    messages.push({ role: 'assistant', content: request.prefill }, { role: 'user', content: goOn });
  }
  // JSON leaves out what is undefined: the service's own defaults hold then.
  return JSON.stringify({
    model: request.model,
    messages,
    stream: true,
    stream_options: form.includeUsage ? { include_usage: true } : undefined,
    [form.maxTokensField]: request.maxTokens,
    temperature: request.temperature,
    top_p: request.topP,
    stop: request.stop,
    seed: request.seed,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    tools: request.tools?.length ? request.tools.map(toWireTool) : undefined,
    tool_choice: request.tools?.length ? toWireChoice(request.toolChoice) : undefined,
  });
}

function toWireMessage(message: ModelMessage): object {
  if (message.role === 'tool') return { role: 'tool', tool_call_id: message.toolCallId, content: message.content };
  if (!message.toolCalls?.length) return { role: message.role, content: message.content };
  return {
    role: message.role,
    content: message.content === '' ? null : message.content,
    tool_calls: message.toolCalls.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } })),
  };
}

function toWireTool(tool: ToolDefinition): object {
  return { type: 'function', function: { name: tool.name, description: tool.description, parameters: tool.parameters } };
}

function toWireChoice(choice: ModelRequest['toolChoice']): unknown {
  return typeof choice === 'object' ? { type: 'function', function: { name: choice.name } } : choice;
}
