import { ParleyError } from '../../base/errors.ts';
import type { ModelMessage, Sampling, ToolChoiceRequest, ToolDefinition } from '../../core/models/index.ts';
import type { CompletionRequest, RequestMessage } from './schemas.ts';

/** A request in our own terms. */
export interface Asked extends Sampling {
  model: string | null;
  messages: ModelMessage[];
  tools?: ToolDefinition[];
  toolChoice?: ToolChoiceRequest;
}

/**
 * Translates a validated request.
 * @throws {ParleyError} `unsupported_value` for what the API documents and this server does not do
 */
export function translate(body: CompletionRequest): Asked {
  refuseUnsupported(body);
  const stop = typeof body.stop === 'string' ? [body.stop] : body.stop;
  return {
    model: body.model || null,
    messages: body.messages.map(modelMessage),
    ...defined({
      temperature: body.temperature,
      topP: body.top_p,
      maxTokens: body.max_completion_tokens ?? body.max_tokens,
      stop: stop && stop.length > 0 ? stop : undefined,
      seed: body.seed,
      frequencyPenalty: body.frequency_penalty,
      presencePenalty: body.presence_penalty,
      tools: body.tools?.map(toolDefinition),
      toolChoice: toolChoice(body),
    }),
  };
}

/** The fields that are neither null nor undefined. */
function defined<Fields extends object>(fields: Fields): { [Key in keyof Fields]?: Exclude<Fields[Key], null | undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)) as never;
}

function refuseUnsupported(body: CompletionRequest): void {
  if ((body.n ?? 1) !== 1) throw unsupported('n', 'Only one choice is made for each request: n must be 1.');
  if (body.response_format && body.response_format.type !== 'text') {
    throw unsupported('response_format', `response_format of type ${JSON.stringify(body.response_format.type.slice(0, 40))} is not supported yet; use "text".`);
  }
  if (body.logprobs) throw unsupported('logprobs', 'Log-probabilities are not returned by this server.');
  if (body.logit_bias && Object.keys(body.logit_bias).length > 0) throw unsupported('logit_bias', 'logit_bias is not supported.');
  if (body.functions && body.functions.length > 0) throw unsupported('functions', 'functions is the old form: use tools.');
  if (body.modalities?.some((kind) => kind !== 'text')) throw unsupported('modalities', 'Answers are text only.');
}

function unsupported(parameter: string, message: string): ParleyError {
  return new ParleyError('unsupported_value', { message, parameter });
}

function modelMessage(message: RequestMessage, at: number): ModelMessage {
  const content = contentOf(message, at);
  switch (message.role) {
    case 'system':
    case 'developer':
      return { role: 'system', content };
    case 'assistant':
      return {
        role: 'assistant',
        content,
        ...(message.tool_calls?.length
          ? { toolCalls: message.tool_calls.map((call) => ({ id: call.id, name: call.function.name, arguments: call.function.arguments })) }
          : {}),
      };
    case 'tool':
      if (!message.tool_call_id) throw new ParleyError('invalid_request', { message: 'A tool message needs tool_call_id.', parameter: `messages[${at}].tool_call_id` });
      return { role: 'tool', content, toolCallId: message.tool_call_id };
    case 'user':
      return { role: 'user', content };
  }
}

/** The text of a message; its parts are put one below the other. */
function contentOf(message: RequestMessage, at: number): string {
  const { content } = message;
  if (typeof content === 'string') return content;
  if (content === null || content === undefined) {
    if (message.role === 'assistant') return '';
    throw new ParleyError('invalid_request', { message: `A ${message.role} message needs content.`, parameter: `messages[${at}].content` });
  }
  return content
    .map((part, index) => {
      if (part.type === 'text' && part.text !== undefined) return part.text;
      if (part.type === 'refusal' && part.refusal) return part.refusal;
      throw unsupported(`messages[${at}].content[${index}]`, `Content of type ${JSON.stringify(part.type.slice(0, 40))} is not supported: send text.`);
    })
    .join('\n');
}

function toolDefinition(tool: NonNullable<CompletionRequest['tools']>[number], at: number): ToolDefinition {
  if (tool.type !== 'function' || !tool.function) throw unsupported(`tools[${at}].type`, 'Only tools of type "function" are supported.');
  const { name, description, parameters } = tool.function;
  return { name, ...(description ? { description } : {}), parameters: parameters ?? { type: 'object', properties: {} } };
}

function toolChoice(body: CompletionRequest): ToolChoiceRequest | undefined {
  const choice = body.tool_choice;
  if (choice === null || choice === undefined || typeof choice === 'string') return choice ?? undefined;
  if (choice.type !== 'function' || !choice.function) throw unsupported('tool_choice', 'tool_choice must name a function.');
  return { name: choice.function.name };
}
