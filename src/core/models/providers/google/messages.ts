import type { ContentPart, ModelMessage, ModelRequest } from '../../types.ts';
import { argumentsObject, goOn, leftOut, toolNameOf } from '../../wire/index.ts';
import { pictureOf, thinkingConfig, wantsSignatures } from './options.ts';
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
    // 0 asks for nothing, and some models refuse any.
    frequencyPenalty: request.frequencyPenalty || undefined,
    presencePenalty: request.presencePenalty || undefined,
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

/**
 * The conversation by turns. A turn with calls must stand behind one of the user's, and results alone in theirs; newer
 * models refuse a conversation that ends with their own turn.
 */
function toContents(request: ModelRequest, signatureOf: (callId: string) => string | null): Content[] {
  const { messages, prefill = '' } = request;
  const contents: Content[] = [];
  let lastKind = '';
  const add = (kind: 'user' | 'assistant' | 'tool', parts: Part[]): void => {
    if (parts.length === 0) return;
    if (kind === lastKind) contents.at(-1)!.parts.push(...parts);
    else contents.push({ role: kind === 'assistant' ? 'model' : 'user', parts });
    lastKind = kind;
  };
  for (const message of messages) if (message.role !== 'system') add(message.role, toParts(message, messages, request.model, signatureOf));
  add('assistant', textParts(prefill));
  if (contents[0]?.role === 'model') contents.unshift({ role: 'user', parts: textParts(leftOut) });
  if (lastKind === 'assistant') add('user', textParts(goOn));
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

/** Pictures of the question that cannot be sent were refused before: see refusal in ./options.ts. */
function toPart(part: ContentPart): Part[] {
  if (part.type === 'text') return textParts(part.text);
  const inlineData = pictureOf(part.url);
  return inlineData ? [{ inlineData }] : textParts('[A picture was sent here; it is left out.]');
}
