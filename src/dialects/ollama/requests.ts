import { ParleyError } from '../../base/errors.ts';
import type { ContentPart, ModelInfo, ModelMessage, Sampling, ToolCall, ToolDefinition } from '../../core/models/index.ts';
import { pictureUrl } from './pictures.ts';
import type { AskingRequest, ChatRequest, GenerateRequest, Options, RequestMessage } from './schemas.ts';

/** A request in our own terms, without its model. */
export interface Asked extends Sampling {
  messages: ModelMessage[];
  tools?: ToolDefinition[];
}

/** @throws {ParleyError} `invalid_request` for pictures and results of tools that fit nothing */
export function translateChat(body: ChatRequest, model: ModelInfo | null): Asked {
  const tools = body.tools?.map(({ function: { name, description, parameters } }) => ({ name, ...(description ? { description } : {}), parameters: parameters ?? { type: 'object', properties: {} } }));
  return { messages: modelMessages(body.messages ?? []), ...(tools?.length ? { tools } : {}), ...sampling(body, model) };
}

/** @throws {ParleyError} `unsupported_value` for what would need the bare model behind its template */
export function translateGenerate(body: GenerateRequest, model: ModelInfo | null): Asked {
  if (body.raw) throw unsupported('raw', 'raw is not supported: models here keep their own template. Send the prompt without it, or messages to /api/chat.');
  if (body.template) throw unsupported('template', 'template is not supported: models here keep their own.');
  if (body.suffix) throw unsupported('suffix', `${JSON.stringify(body.model)} does not support insert`);
  if (body.context?.length) throw unsupported('context', 'context is not supported: it holds tokens of another server. Send the conversation as messages to /api/chat.');
  const system: ModelMessage[] = body.system ? [{ role: 'system', content: body.system }] : [];
  return { messages: [...system, userMessage(body.prompt ?? '', body.images, 'images')], ...sampling(body, model) };
}

function unsupported(parameter: string, message: string): ParleyError {
  return new ParleyError('unsupported_value', { message, parameter });
}

function modelMessages(messages: readonly RequestMessage[]): ModelMessage[] {
  const calls = new OpenCalls();
  return messages.map((message, at): ModelMessage => {
    const content = message.content ?? '';
    switch (message.role) {
      case 'assistant': {
        const toolCalls = message.tool_calls?.map((call) => calls.made(call));
        return { role: 'assistant', content, ...(toolCalls?.length ? { toolCalls } : {}) };
      }
      case 'tool':
        return { role: 'tool', content, toolCallId: calls.answered(message, at) };
      case 'system':
        return { role: 'system', content };
      case 'user':
        return userMessage(content, message.images, `messages[${at}].images`);
    }
  });
}

function userMessage(content: string, images: readonly string[] | null | undefined, parameter: string): ModelMessage {
  if (!images?.length) return { role: 'user', content };
  const parts: ContentPart[] = images.map((image, index) => ({ type: 'image', url: pictureUrl(image, `${parameter}[${index}]`) }));
  return { role: 'user', content, parts: content === '' ? parts : [{ type: 'text', text: content }, ...parts] };
}

/** Calls of tools whose results are still to come. Older clients of Ollama name neither calls nor tools: then their order tells. */
class OpenCalls {
  private readonly open: { id: string; name: string }[] = [];
  private count = 0;

  made(call: NonNullable<RequestMessage['tool_calls']>[number]): ToolCall {
    const id = call.id || `call_${this.count}`;
    this.count += 1;
    const { name } = call.function;
    this.open.push({ id, name });
    return { id, name, arguments: JSON.stringify(call.function.arguments ?? {}) };
  }

  /** @throws {ParleyError} `invalid_request` for a result of a call that nobody made */
  answered(result: RequestMessage, at: number): string {
    const found = this.open.findIndex(({ id, name }) => (result.tool_call_id ? id === result.tool_call_id : !result.tool_name || name === result.tool_name));
    if (found === -1) throw new ParleyError('invalid_request', { message: `messages[${at}] of role "tool" answers no tool call before it`, parameter: `messages[${at}]` });
    return this.open.splice(found, 1)[0]!.id;
  }
}

function sampling(body: AskingRequest, model: ModelInfo | null): Sampling {
  const wanted: Sampling = { ...fromOptions(body.options), ...effort(body.think, model) };
  if (body.format === 'json') wanted.responseFormat = { type: 'json_object' };
  else if (body.format) wanted.responseFormat = { type: 'json_schema', name: 'answer', schema: body.format };
  if (body.logprobs) wanted.logprobs = { top: body.top_logprobs ?? 0 };
  return wanted;
}

/**
 * Models that think do so unless they are told not to, so `true` says nothing new. `false` is told only to models that
 * are known to think: services refuse it for others.
 */
function effort(think: AskingRequest['think'], model: ModelInfo | null): Sampling {
  if (typeof think === 'string') return { reasoningEffort: think };
  return think === false && model?.details?.capabilities?.includes('thinking') ? { reasoningEffort: 'none' } : {};
}

function fromOptions(options: Options): Sampling {
  if (!options) return {};
  const stop = typeof options.stop === 'string' ? [options.stop] : options.stop;
  return defined({
    maxTokens: above(0, options.num_predict),
    temperature: options.temperature,
    topK: above(0, options.top_k),
    topP: options.top_p,
    minP: options.min_p,
    seed: above(-1, options.seed),
    stop: stop?.some((text) => text !== '') ? stop.filter((text) => text !== '') : undefined,
    repeatPenalty: options.repeat_penalty,
    presencePenalty: options.presence_penalty,
    frequencyPenalty: options.frequency_penalty,
  });
}

/** Numbers below a bound mean the model's own in Ollama's API. */
function above(bound: number, value: number | null | undefined): number | undefined {
  return value !== null && value !== undefined && value > bound ? value : undefined;
}

/** The fields that are neither null nor undefined. */
function defined<Fields extends object>(fields: Fields): { [Key in keyof Fields]?: Exclude<Fields[Key], null | undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)) as never;
}
