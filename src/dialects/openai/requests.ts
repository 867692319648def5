import { createSchemaCheck, type ResponseFormat, type ModelMessage, type Sampling, type ToolChoiceRequest, type ToolDefinition } from '../../core/models/index.ts';
import { invalid, unsupported } from './errors.ts';
import { modelMessages } from './messages.ts';
import type { CompletionRequest } from './schemas.ts';

/** A request in our own terms. */
export interface Asked extends Sampling {
  model: string | null;
  messages: ModelMessage[];
  tools?: ToolDefinition[];
  toolChoice?: ToolChoiceRequest;
}

/**
 * Translates a validated request.
 * @throws {ParleyError} `unsupported_value` for what the API documents and this server does not do, `invalid_request`
 * for fields that do not go together
 */
export function translate(body: CompletionRequest): Asked {
  refuseUnsupported(body);
  const stop = typeof body.stop === 'string' ? [body.stop] : body.stop;
  return {
    model: body.model || null,
    messages: modelMessages(body.messages),
    ...defined({
      temperature: body.temperature,
      topP: body.top_p,
      topK: body.top_k,
      minP: body.min_p,
      repeatPenalty: body.repeat_penalty ?? body.repetition_penalty,
      maxTokens: body.max_completion_tokens ?? body.max_tokens,
      stop: stop && stop.length > 0 ? stop : undefined,
      seed: body.seed,
      frequencyPenalty: body.frequency_penalty,
      presencePenalty: body.presence_penalty,
      logitBias: body.logit_bias && Object.keys(body.logit_bias).length > 0 ? body.logit_bias : undefined,
      reasoningEffort: body.reasoning_effort,
      verbosity: body.verbosity,
      logprobs: body.logprobs ? { top: body.top_logprobs ?? 0 } : undefined,
      responseFormat: responseFormat(body),
      parallelToolCalls: body.parallel_tool_calls,
      ...toolsOf(body),
    }),
  };
}

/** The fields that are neither null nor undefined. */
function defined<Fields extends object>(fields: Fields): { [Key in keyof Fields]?: Exclude<Fields[Key], null | undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)) as never;
}

/** Whether a request speaks of functions, the form before tools: its answer does so, too. */
export function speaksOfFunctions(body: CompletionRequest): boolean {
  return !body.tools?.length && Boolean(body.functions?.length);
}

function refuseUnsupported(body: CompletionRequest): void {
  if (body.modalities?.some((kind) => kind !== 'text')) throw unsupported('modalities', 'Answers are text only.');
  if (isGiven(body.audio)) throw unsupported('audio', 'Answers are text only.');
  if (isGiven(body.web_search_options)) throw unsupported('web_search_options', 'Models here do not search the web by themselves. Offer a tool that does.');
  if (isGiven(body.moderation)) throw unsupported('moderation', 'Answers are not moderated by this server.');
  if (body.service_tier && !['auto', 'default'].includes(body.service_tier)) throw unsupported('service_tier', 'There is one tier of service: leave service_tier out, or send "auto" or "default".');
  if (isGiven(body.top_logprobs) && !body.logprobs) throw invalid('top_logprobs', 'top_logprobs needs "logprobs": true.');
  if (body.store && (body.n ?? 1) > 1) throw unsupported('n', 'With "store": true one answer is made and kept: leave n out, or send this request without "store".');
}

function isGiven(value: unknown): boolean {
  return value !== null && value !== undefined;
}

function responseFormat({ response_format: format }: CompletionRequest): ResponseFormat | undefined {
  switch (format?.type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      return { type: 'json_object' };
    case 'json_schema': {
      if (!format.json_schema) throw invalid('response_format.json_schema', 'response_format of type "json_schema" needs json_schema.');
      const { name, description, schema, strict } = format.json_schema;
      // Told now, with its place: later it would be the answer that fails.
      createSchemaCheck(schema ?? {});
      return { type: 'json_schema', name, schema: schema ?? {}, ...defined({ description, strict }) };
    }
    default:
      throw unsupported('response_format.type', `response_format of type ${JSON.stringify(format?.type.slice(0, 40))} is not supported: use "text", "json_object" or "json_schema".`);
  }
}

/** The tools offered and how they may be used; functions, the form before, are tools too. */
function toolsOf(body: CompletionRequest): { tools?: ToolDefinition[]; toolChoice?: ToolChoiceRequest } {
  if (speaksOfFunctions(body)) {
    const choice = body.function_call ?? undefined;
    return { tools: body.functions!.map(toDefinition), toolChoice: choice };
  }
  const tools = body.tools?.map((tool, at) => {
    if (tool.type !== 'function' || !tool.function) throw unsupported(`tools[${at}].type`, 'Only tools of type "function" are supported.');
    return toDefinition(tool.function);
  });
  const choice = body.tool_choice;
  if (choice === null || choice === undefined || typeof choice === 'string') return { tools, toolChoice: choice ?? undefined };
  if (choice.type === 'allowed_tools' && choice.allowed_tools) {
    const names = new Set(choice.allowed_tools.tools.map((tool) => tool.function?.name));
    return { tools: tools?.filter((tool) => names.has(tool.name)), toolChoice: choice.allowed_tools.mode };
  }
  if (choice.type !== 'function' || !choice.function) throw unsupported('tool_choice', 'tool_choice must name a function.');
  const { name } = choice.function;
  if (!tools?.some((tool) => tool.name === name)) throw invalid('tool_choice', `tool_choice names ${JSON.stringify(name.slice(0, 100))}, which is not among the tools.`);
  return { tools, toolChoice: { name } };
}

function toDefinition({ name, description, parameters, strict }: NonNullable<CompletionRequest['functions']>[number]): ToolDefinition {
  return { name, ...(description ? { description } : {}), parameters: parameters ?? { type: 'object', properties: {} }, ...(strict === null || strict === undefined ? {} : { strict }) };
}
