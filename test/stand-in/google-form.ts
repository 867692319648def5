import { defined, sse, type Asked, type Form, type ReadMessage } from './form.ts';
import { defaultPieces, usageOf, type Script, type Step } from './script.ts';

/** The body of a request, as far as the stand-in looks at it. */
interface RequestBody {
  systemInstruction?: { parts: Part[] };
  contents?: { role: string; parts: Part[] }[];
  tools?: { functionDeclarations: { name: string }[] }[];
  generationConfig?: Record<string, unknown>;
  requests?: { content: { parts: Part[] } }[];
}

interface Part {
  text?: string;
  functionCall?: { name: string; args: unknown };
  functionResponse?: { response: { output?: string } };
}

/** `/v1beta/models/NAME:METHOD`. */
const address = /^\/v1beta\/models(?:\/([^/:]+):(\w+))?$/;

/** Models on a page of the list, however many are asked for: so lists have several. */
const pageSize = 2;

function chunk(model: string, parts: object[], more: object = {}, candidate: object = {}): object {
  return { candidates: [{ content: { parts, role: 'model' }, index: 0, ...candidate }], ...more, modelVersion: model, responseId: 'standin' };
}

function usageMetadata(script: Script): object {
  const usage = usageOf(script);
  if (!usage) return {};
  const { tokensIn, tokensOut, tokensReasoning, tokensCached } = usage;
  return {
    usageMetadata: defined({
      promptTokenCount: tokensIn, candidatesTokenCount: tokensOut - (tokensReasoning ?? 0), totalTokenCount: tokensIn + tokensOut,
      thoughtsTokenCount: tokensReasoning, cachedContentTokenCount: tokensCached,
    }),
  };
}

function finishReason(script: Script): string | undefined {
  if (script.finish === null) return undefined;
  return { length: 'MAX_TOKENS', stop: 'STOP' }[script.finish ?? 'stop'] ?? script.finish;
}

function callPart({ id, name, argumentPieces }: NonNullable<Script['toolCalls']>[number]): object {
  return { functionCall: { id, name, args: JSON.parse(argumentPieces.join('')) as unknown }, thoughtSignature: `signature-of-${id}` };
}

/** What is said of these tokens, the first of which is the one with this number; nothing when nobody asked. */
function logprobsOf(script: Script, asked: Asked, tokens: readonly string[], first: number): object {
  const { responseLogprobs, logprobs: top } = (asked.body as RequestBody).generationConfig ?? {};
  if (responseLogprobs !== true || !script.logprobs) return {};
  const others = (script.topLogprobs ?? []).slice(0, typeof top === 'number' ? top : 0).map(({ token, logprob }) => ({ token, tokenId: 2, logProbability: logprob }));
  return {
    logprobsResult: {
      chosenCandidates: tokens.map((token, index) => ({ token, tokenId: 1, logProbability: script.logprobs![first + index] })),
      ...(others.length > 0 ? { topCandidates: tokens.map(() => ({ candidates: others })) } : {}),
    },
  };
}

/** The answer to POST ...:streamGenerateContent?alt=sse. */
function chatSteps(script: Script, asked: Asked, model: string): Step[] {
  const name = script.model ?? model;
  const usage = usageMetadata(script);
  const steps: Step[] = [];
  const add = (piece: boolean, data: object): void => { steps.push({ piece, text: sse(script, JSON.stringify(data)) }); };
  for (const text of script.reasoning ?? []) add(true, chunk(name, [{ text, thought: true }], usage));
  (script.pieces ?? (script.toolCalls ? [] : defaultPieces)).forEach((text, index) => add(true, chunk(name, [{ text }], usage, logprobsOf(script, asked, [text], index))));
  for (const call of script.toolCalls ?? []) add(true, chunk(name, [callPart(call)], usage));
  const reason = finishReason(script);
  if (reason !== undefined) add(false, chunk(name, [{ text: '' }], usage, { finishReason: reason }));
  return steps;
}

/** The answer to POST ...:generateContent. */
function chatCompletion(script: Script, asked: Asked, model: string): object {
  const pieces = script.pieces ?? (script.toolCalls ? [] : defaultPieces);
  const thoughts = script.reasoning ? [{ text: script.reasoning.join(''), thought: true }] : [];
  const texts = pieces.length > 0 ? [{ text: pieces.join('') }] : [];
  const parts = [...thoughts, ...texts, ...(script.toolCalls ?? []).map(callPart)];
  return chunk(script.model ?? model, parts, usageMetadata(script), { finishReason: finishReason(script), ...logprobsOf(script, asked, pieces, 0) });
}

function toMessage(content: { role: string; parts: Part[] }): ReadMessage {
  const response = content.parts.find((part) => part.functionResponse)?.functionResponse;
  return {
    role: response ? 'tool' : content.role === 'model' ? 'assistant' : content.role,
    text: response ? (response.response.output ?? '') : content.parts.map((part) => part.text ?? '').join(''),
    calls: content.parts.flatMap(({ functionCall: call }) => (call ? [{ name: call.name, arguments: call.args }] : [])),
  };
}

const statusNames: Record<number, string> = {
  400: 'INVALID_ARGUMENT', 401: 'UNAUTHENTICATED', 403: 'PERMISSION_DENIED', 404: 'NOT_FOUND', 429: 'RESOURCE_EXHAUSTED', 500: 'INTERNAL', 503: 'UNAVAILABLE', 504: 'DEADLINE_EXCEEDED',
};

function errorBody(status: number, _code: string | undefined, message: string): object {
  return { error: { code: status, message, status: statusNames[status] ?? 'UNKNOWN' } };
}

const broken = { error: { code: 500, message: 'An internal error has occurred.', status: 'INTERNAL' } };

/** Google's Gemini API, at /google/v1beta. */
export const googleForm: Form = {
  name: 'google',
  endpointOf(path) {
    const [, model, method] = address.exec(path) ?? [];
    if (path === '/v1beta/models') return 'models';
    if (model === undefined) return null;
    return method === 'batchEmbedContents' ? 'embeddings' : ['generateContent', 'streamGenerateContent'].includes(method!) ? 'chat' : null;
  },
  streamType: 'text/event-stream',
  read({ path, query, headers, body }) {
    const [, model, method] = address.exec(path) ?? [];
    const { systemInstruction: system, contents, tools, generationConfig: config, requests } = body as RequestBody;
    return {
      key: (headers['x-goog-api-key'] as string | undefined) ?? null,
      model: model === undefined ? null : decodeURIComponent(model),
      stream: method === 'streamGenerateContent' && query === 'alt=sse',
      messages: [...(system ? [toMessage({ role: 'system', parts: system.parts })] : []), ...(contents ?? []).map(toMessage)],
      tools: (tools ?? []).flatMap((tool) => tool.functionDeclarations.map((declaration) => declaration.name)),
      sampling: defined({ temperature: config?.['temperature'], stop: config?.['stopSequences'], seed: config?.['seed'], maxTokens: config?.['maxOutputTokens'] }),
      texts: (requests ?? []).map((request) => request.content.parts.map((part) => part.text ?? '').join('')),
    };
  },
  chatSteps,
  chatCompletion,
  embeddings: (texts, _model, vectorOf) => ({ embeddings: texts.map((text) => ({ values: vectorOf(text) })) }),
  modelList(names, { query }) {
    const from = Number(new URLSearchParams(query).get('pageToken') ?? 0);
    const models = names.slice(from, from + pageSize).map((name) => ({
      name: `models/${name}`, version: '001', displayName: name.replaceAll('-', ' '), inputTokenLimit: 1_048_576, outputTokenLimit: 65_536,
      supportedGenerationMethods: name.includes('embedding') ? ['embedContent', 'countTextTokens'] : ['generateContent', 'countTokens'],
      ...(name.includes('embedding') ? {} : { thinking: true }),
    }));
    return { models, ...(from + pageSize < names.length ? { nextPageToken: String(from + pageSize) } : {}) };
  },
  errorBody,
  refusedKey: () => ({
    status: 400,
    body: {
      error: {
        code: 400, message: 'API key not valid. Please pass a valid API key.', status: 'INVALID_ARGUMENT',
        details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com', metadata: { service: 'generativelanguage.googleapis.com' } }],
      },
    },
  }),
  unknownModel: (name) => ({ status: 404, body: errorBody(404, undefined, `models/${name} is not found for API version v1beta, or is not supported for generateContent.`) }),
  isKnown: (name, names) => names.includes(name),
  errorEvent: `data: ${JSON.stringify(broken)}\n\n`,
  errorDocument: broken,
  malformedEvent: 'data: {"candidates": [{"content": {"parts": [{"text": "broken\n\n',
};
