import { readPictureUrl } from '../../pictures.ts';
import type { ContentPart, ModelMessage, ModelRequest } from '../../types.ts';
import { argumentsObject, goOn, toolNameOf } from '../../wire/index.ts';
import { thinkingConfig, wantsSignatures } from './options.ts';
import { toWireSchema } from './schemas.ts';
import { unsigned } from './signatures.ts';

/** A piece of a turn. */
type Part = Record<string, unknown>;
interface Content {
  role: 'user' | 'model';
  parts: Part[];
}

/**
 * A request in the form of POST /v1beta/models/...:generateContent, as JSON text.
 * @param signatureOf what the model signed its thoughts before a tool call with; null when it is not known
 */
export function toGenerateBody(request: ModelRequest, signatureOf: (callId: string) => string | null): string {
  const system = request.messages.filter((message) => message.role === 'system').flatMap((message) => textParts(message.content));
  const contents = toContents(request, signatureOf);
  const hasTools = request.tools !== undefined && request.tools.length > 0;
  // JSON leaves out what is undefined: the service's own defaults hold then.
  return JSON.stringify({
    // A conversation of instructions alone has nothing to answer to: they are the question then.
    systemInstruction: system.length > 0 && contents.length > 0 ? { parts: system } : undefined,
    contents: contents.length > 0 ? contents : [{ role: 'user', parts: system }],
    tools: hasTools ? [{ functionDeclarations: request.tools!.map(({ name, description, parameters }) => ({ name, description: description ?? '', parametersJsonSchema: toWireSchema(parameters) })) }] : undefined,
    toolConfig: hasTools ? toToolConfig(request) : undefined,
    generationConfig: toGenerationConfig(request),
  });
}

function toGenerationConfig(request: ModelRequest): object {
  const { logprobs, responseFormat } = request;
  return {
    temperature: request.temperature,
    topP: request.topP,
    topK: request.topK,
    maxOutputTokens: request.maxTokens,
    stopSequences: request.stop,
    seed: request.seed,
    frequencyPenalty: request.frequencyPenalty,
    presencePenalty: request.presencePenalty,
    responseLogprobs: logprobs ? true : undefined,
    logprobs: logprobs && logprobs.top > 0 ? logprobs.top : undefined,
    responseMimeType: responseFormat ? 'application/json' : undefined,
    responseJsonSchema: responseFormat?.type === 'json_schema' ? toWireSchema(responseFormat.schema) : undefined,
    thinkingConfig: thinkingConfig(request),
  };
}

/** Strict tools are what Google calls validated: the model calls them in their own form, or speaks. */
function toToolConfig({ tools, toolChoice }: ModelRequest): object | undefined {
  if (typeof toolChoice === 'object') return { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: [toolChoice.name] } };
  if (toolChoice === 'required') return { functionCallingConfig: { mode: 'ANY' } };
  if (toolChoice === 'none') return { functionCallingConfig: { mode: 'NONE' } };
  return tools?.some((tool) => tool.strict) ? { functionCallingConfig: { mode: 'VALIDATED' } } : undefined;
}

function toContents(request: ModelRequest, signatureOf: (callId: string) => string | null): Content[] {
  const { messages, prefill } = request;
  const contents: Content[] = [];
  let isAfterTool = false;
  for (const message of messages) {
    if (message.role === 'system') continue;
    const isTool = message.role === 'tool';
    const parts = toParts(message, messages, request.model, signatureOf);
    // Results of calls that were made together belong together: the service counts them.
    if (isTool && isAfterTool) contents.at(-1)!.parts.push(...parts);
    else if (parts.length > 0) contents.push({ role: message.role === 'assistant' ? 'model' : 'user', parts });
    isAfterTool = isTool;
  }
  if (prefill !== undefined && prefill !== '') contents.push({ role: 'model', parts: textParts(prefill) }, { role: 'user', parts: textParts(goOn) });
  return contents;
}

function toParts(message: ModelMessage, all: readonly ModelMessage[], model: string, signatureOf: (callId: string) => string | null): Part[] {
  if (message.role === 'tool') {
    return [{ functionResponse: { id: message.toolCallId, name: toolNameOf(message.toolCallId, all) ?? 'unknown', response: { output: message.content } } }];
  }
  const said = message.parts ? message.parts.flatMap(toPart) : textParts(message.content);
  const calls = (message.toolCalls ?? []).map((call, index) => {
    // Of calls that were made together only the first is signed.
    const signature = signatureOf(call.id) ?? (index === 0 && wantsSignatures(model) ? unsigned : undefined);
    return { functionCall: { id: call.id, name: call.name, args: argumentsObject(call.arguments) }, thoughtSignature: signature };
  });
  return [...said, ...calls];
}

/** The service refuses empty texts. */
function textParts(text: string): Part[] {
  return text === '' ? [] : [{ text }];
}

/** Pictures that are no data were refused before: see refusal in ./options.ts. */
function toPart(part: ContentPart): Part[] {
  if (part.type === 'text') return textParts(part.text);
  const source = readPictureUrl(part.url);
  return source?.kind === 'data' ? [{ inlineData: { mimeType: source.type, data: source.base64 } }] : [];
}
