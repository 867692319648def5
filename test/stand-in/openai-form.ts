import { bearer, defined, sse, type Asked, type Form, type Refusal } from './form.ts';
import { whitePng } from './png.ts';
import { bytesOf, defaultPieces, usageOf, type Endpoint, type Script, type Step } from './script.ts';

/** The body of a chat request, as far as the stand-in looks at it. */
interface ChatBody {
  stream_options?: { include_usage?: boolean };
  logprobs?: boolean;
  top_logprobs?: number;
}

const created = 1_767_225_600;

/** The answer to POST /v1/chat/completions with `stream: true`, as server-sent events. */
function chatSteps(script: Script, body: ChatBody, asked: string): Step[] {
  const model = script.model === null ? undefined : (script.model ?? asked);
  const usage = openaiUsage(script);
  const place = script.usagePlace ?? 'own-chunk';
  const steps: Step[] = [];
  const chunk = (delta: object, choice: object = {}, more: object = {}): string =>
    JSON.stringify({
      id: 'chatcmpl-standin', object: 'chat.completion.chunk', created, model, system_fingerprint: 'fp_standin',
      choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...choice }],
      ...(place === 'every-chunk' && usage ? { usage } : {}),
      ...more,
    });
  const add = (piece: boolean, data: string): void => {
    steps.push({ piece, text: sse(script, data) });
  };

  add(false, chunk({ role: 'assistant', content: '', refusal: null }));
  for (const text of script.reasoning ?? []) add(true, chunk({ [script.reasoningField ?? 'reasoning_content']: text }));
  const pieces = piecesOf(script);
  pieces.forEach((text, index) => {
    const tokens = logprobsOf(script, body, [text], index);
    const choice = tokens === null ? {} : { logprobs: { content: tokens, refusal: null } };
    const last = index === pieces.length - 1;
    add(true, chunk({ content: text }, choice, last && place === 'last-content' && usage ? { usage } : {}));
  });
  if (script.refusal !== undefined) add(true, chunk({ refusal: script.refusal }));
  (script.toolCalls ?? []).forEach((call, index) => {
    add(false, chunk({ tool_calls: [{ index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }] }));
    for (const text of call.argumentPieces) add(true, chunk({ tool_calls: [{ index, function: { arguments: text } }] }));
  });
  const finish = script.finish === undefined ? (script.toolCalls ? 'tool_calls' : 'stop') : script.finish;
  if (finish !== null) {
    const choice = { finish_reason: finish, ...(place === 'in-choice' && usage ? { usage } : {}) };
    const more = place === 'with-finish' && usage ? { usage } : place === 'x_groq' && usage ? { x_groq: { id: 'req_standin', usage } } : {};
    add(false, chunk({}, choice, more));
  }
  if (place === 'own-chunk' && usage && body.stream_options?.include_usage) {
    add(false, JSON.stringify({ id: 'chatcmpl-standin', object: 'chat.completion.chunk', created, model, choices: [], usage }));
  }
  if (script.done !== false) add(false, '[DONE]');
  return steps;
}

/** The answer without streaming. */
function chatCompletion(script: Script, body: ChatBody, asked: string): object {
  const toolCalls = script.toolCalls?.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.argumentPieces.join('') } }));
  const pieces = piecesOf(script);
  const content = pieces.length === 0 && script.pieces === undefined ? null : pieces.join('');
  const tokens = logprobsOf(script, body, pieces, 0);
  return {
    id: 'chatcmpl-standin', object: 'chat.completion', created, model: script.model ?? asked,
    choices: [{
      index: 0, logprobs: tokens === null ? null : { content: tokens, refusal: null }, finish_reason: script.finish ?? (toolCalls ? 'tool_calls' : 'stop'),
      message: { role: 'assistant', content, refusal: script.refusal ?? null, ...(toolCalls ? { tool_calls: toolCalls } : {}), ...(script.reasoning ? { reasoning_content: script.reasoning.join('') } : {}) },
    }],
    usage: openaiUsage(script),
  };
}

function piecesOf(script: Script): string[] {
  return script.pieces ?? (script.toolCalls || script.refusal !== undefined ? [] : defaultPieces);
}

/** What is said of these tokens, the first of which is the one with this number; null when nobody asked. */
function logprobsOf(script: Script, body: ChatBody, tokens: readonly string[], first: number): object[] | null {
  if (!body.logprobs || !script.logprobs) return null;
  const top = (script.topLogprobs ?? []).slice(0, body.top_logprobs ?? 0).map(({ token, logprob }) => ({ token, logprob, bytes: bytesOf(token) }));
  return tokens.map((token, index) => ({ token, logprob: script.logprobs![first + index], bytes: bytesOf(token), top_logprobs: top }));
}

function openaiUsage(script: Script): object | null {
  const usage = usageOf(script);
  if (!usage) return null;
  return {
    prompt_tokens: usage.tokensIn,
    completion_tokens: usage.tokensOut,
    total_tokens: usage.tokensIn + usage.tokensOut,
    ...(usage.tokensCached === undefined ? {} : { prompt_tokens_details: { cached_tokens: usage.tokensCached } }),
    ...(usage.tokensReasoning === undefined ? {} : { completion_tokens_details: { reasoning_tokens: usage.tokensReasoning } }),
  };
}

/** The answer to POST /v1/images/generations: dall-e-3 makes one picture a request, and gives an address unless asked for more. */
function drawing({ body }: Asked, pictures: string): object | Refusal {
  const { model, n, size = '1024x1024', response_format: format, prompt } = body as { model?: string; n?: number; size?: string; response_format?: string; prompt?: string };
  const isDallE = model === 'dall-e-3';
  if (isDallE && (n ?? 1) !== 1) return { status: 400, body: errorBody(400, 'invalid_value', 'You must provide n=1 for this model.') };
  if (!isDallE && format !== undefined) return { status: 400, body: errorBody(400, 'unknown_parameter', "Unknown parameter: 'response_format'.") };
  const [width = 0, height = 0] = size.split('x').map(Number);
  const picture = isDallE && format !== 'b64_json' ? { url: `${pictures}/${size}.png` } : { b64_json: whitePng(width, height).toString('base64') };
  return {
    created,
    data: [{ ...picture, ...(isDallE ? { revised_prompt: `A picture of ${prompt}` } : {}) }],
    ...(isDallE ? {} : { size, quality: 'medium', output_format: 'png', usage: { input_tokens: 12, output_tokens: 1056, total_tokens: 1068 } }),
  };
}

/** The answer to POST /v1/embeddings. */
function embeddings(texts: string[], model: string, vectorOf: (text: string) => number[]): object {
  return {
    object: 'list', model,
    data: texts.map((text, index) => ({ object: 'embedding', index, embedding: vectorOf(text) })),
    usage: { prompt_tokens: texts.length * 3, total_tokens: texts.length * 3 },
  };
}

/** The answer to GET /v1/models. */
function modelList(names: string[]): object {
  return { object: 'list', data: names.map((id) => ({ id, object: 'model', created, owned_by: 'stand-in' })) };
}

/** OpenAI's form of an error. */
function errorBody(status: number, code: string | undefined, message: string): object {
  const type = status === 401 ? 'invalid_request_error' : status === 429 ? 'requests' : status >= 500 ? 'server_error' : 'invalid_request_error';
  return { error: { message, type, param: null, code: code ?? null } };
}

/** An error in the middle of a stream. */
const errorEvent = `data: ${JSON.stringify({ error: { message: 'The server had an error while processing your request.', type: 'server_error', param: null, code: null } })}\n\n`;
/** An event whose JSON is broken. */
const malformedEvent = 'data: {"id":"chatcmpl-standin","choices":[{"delta":{"content":"broken\n\n';

const endpoints: Record<string, Endpoint> = { '/v1/chat/completions': 'chat', '/v1/embeddings': 'embeddings', '/v1/models': 'models', '/v1/images/generations': 'images' };

interface RequestBody extends ChatBody {
  model?: string;
  stream?: boolean;
  messages?: { role: string; content: string | { text?: string }[] | null; tool_calls?: { function: { name: string; arguments: string } }[] }[];
  tools?: { function: { name: string } }[];
  temperature?: unknown;
  stop?: unknown;
  seed?: unknown;
  max_tokens?: unknown;
  max_completion_tokens?: unknown;
  input?: string | string[];
}

function textOf(content: string | { text?: string }[] | null): string {
  return Array.isArray(content) ? content.map((part) => part.text ?? '').join('') : (content ?? '');
}

/** OpenAI's API, at /v1. */
export const openaiForm: Form = {
  name: 'openai',
  endpointOf: (path) => endpoints[path] ?? null,
  drawing,
  streamType: 'text/event-stream; charset=utf-8',
  read({ headers, body }) {
    const { model, stream, messages, tools, input, ...more } = body as RequestBody;
    return {
      key: bearer(headers),
      model: model ?? null,
      stream: stream === true,
      messages: (messages ?? []).map(({ role, content, tool_calls: calls }) => ({
        role, text: textOf(content), calls: (calls ?? []).map((call) => ({ name: call.function.name, arguments: JSON.parse(call.function.arguments) as unknown })),
      })),
      tools: (tools ?? []).map((tool) => tool.function.name),
      sampling: defined({ temperature: more.temperature, stop: more.stop, seed: more.seed, maxTokens: more.max_tokens ?? more.max_completion_tokens }),
      texts: typeof input === 'string' ? [input] : (input ?? []),
    };
  },
  chatSteps: (script, asked, model) => chatSteps(script, asked.body, model),
  chatCompletion: (script, asked, model) => chatCompletion(script, asked.body, model),
  embeddings,
  modelList,
  errorBody,
  refusedKey: () => ({ status: 401, body: errorBody(401, 'invalid_api_key', 'Incorrect API key provided.') }),
  unknownModel: (name) => ({ status: 404, body: errorBody(404, 'model_not_found', `The model \`${name}\` does not exist or you do not have access to it.`) }),
  isKnown: (name, names) => names.includes(name),
  errorEvent,
  errorDocument: { error: { message: 'The server had an error.', type: 'server_error', param: null, code: null } },
  malformedEvent,
};
