import { ParleyError } from '../../../base/errors.ts';
import type { ResponseFormat, Sampling, ToolChoiceRequest, ToolDefinition } from '../../../core/models/index.ts';
import type { ResponseRequest } from './request-schema.ts';

/** The settings of a request in our own terms. */
export interface ResponseSettings extends Sampling {
  model: string | null;
  tools?: ToolDefinition[];
  toolChoice?: ToolChoiceRequest;
}

/**
 * Translates everything but the input.
 * @throws {ParleyError} `unsupported_value` for what the API documents and this server does not do
 */
export function translateSettings(body: ResponseRequest): ResponseSettings {
  refuseUnsupported(body);
  const wanted = body.include?.includes('message.output_text.logprobs') || (body.top_logprobs ?? 0) > 0;
  return {
    model: body.model || null,
    ...toolsOf(body),
    ...defined({
      temperature: body.temperature,
      topP: body.top_p,
      maxTokens: body.max_output_tokens,
      reasoningEffort: body.reasoning?.effort,
      verbosity: body.text?.verbosity,
      parallelToolCalls: body.parallel_tool_calls,
      responseFormat: formatOf(body),
      logprobs: wanted ? { top: body.top_logprobs ?? 0 } : undefined,
    }),
  };
}

/** The fields that are neither null nor undefined. */
function defined<Fields extends object>(fields: Fields): { [Key in keyof Fields]?: Exclude<Fields[Key], null | undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)) as never;
}

function refuseUnsupported(body: ResponseRequest): void {
  const given = (value: unknown): boolean => value !== undefined && value !== null;
  if (given(body.conversation)) throw unsupported('conversation', 'Conversation objects are not offered: chain responses with previous_response_id.');
  if (given(body.prompt)) throw unsupported('prompt', 'Prompt templates are not offered: send the text as instructions and input.');
  if (given(body.moderation)) throw unsupported('moderation', 'Moderation is not offered.');
  if (body.background && body.store === false) throw unsupported('background', 'A response in the background must be kept: leave "store" out or set it to true.');
}

function unsupported(parameter: string, message: string): ParleyError {
  return new ParleyError('unsupported_value', { message, parameter });
}

function toolsOf(body: ResponseRequest): { tools?: ToolDefinition[]; toolChoice?: ToolChoiceRequest } {
  const tools = body.tools?.map(toolDefinition) ?? [];
  const choice = body.tool_choice;
  const offered = tools.length > 0 ? { tools } : {};
  if (choice === null || choice === undefined) return offered;
  if (typeof choice === 'string') return { ...offered, toolChoice: choice };
  if (choice.type === 'function' && choice.name) return { ...offered, toolChoice: { name: choice.name } };
  if (choice.type === 'allowed_tools') {
    const allowed = new Set(choice.tools?.filter(({ type }) => type === 'function').map(({ name }) => name));
    const left = tools.filter(({ name }) => allowed.has(name));
    if (left.length === 0) throw new ParleyError('invalid_request', { message: 'tool_choice allows none of the tools.', parameter: 'tool_choice' });
    return { tools: left, toolChoice: choice.mode ?? 'auto' };
  }
  throw unsupported('tool_choice', 'tool_choice must be "auto", "none", "required", or name functions.');
}

function toolDefinition(tool: NonNullable<ResponseRequest['tools']>[number], at: number): ToolDefinition {
  if (tool.type !== 'function') throw unsupported(`tools[${at}].type`, `Tools of type ${JSON.stringify(tool.type.slice(0, 40))} are not offered: only functions are.`);
  if (!tool.name) throw new ParleyError('invalid_request', { message: `Missing required parameter: 'tools[${at}].name'.`, parameter: `tools[${at}].name` });
  return {
    name: tool.name,
    ...(tool.description ? { description: tool.description } : {}),
    parameters: tool.parameters ?? { type: 'object', properties: {} },
    ...(typeof tool.strict === 'boolean' ? { strict: tool.strict } : {}),
  };
}

function formatOf(body: ResponseRequest): ResponseFormat | undefined {
  const format = body.text?.format;
  if (!format || format.type === 'text') return undefined;
  if (format.type === 'json_object') return { type: 'json_object' };
  if (format.type !== 'json_schema') throw unsupported('text.format.type', 'text.format must be of type "text", "json_object" or "json_schema".');
  if (!format.name || !format.schema) throw new ParleyError('invalid_request', { message: 'text.format needs a name and a schema.', parameter: 'text.format' });
  return {
    type: 'json_schema',
    name: format.name,
    schema: format.schema,
    ...(format.description ? { description: format.description } : {}),
    ...(typeof format.strict === 'boolean' ? { strict: format.strict } : {}),
  };
}
