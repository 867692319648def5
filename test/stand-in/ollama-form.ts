import { defined, type Form } from './form.ts';
import { bytesOf, defaultPieces, usageOf, type Endpoint, type Script, type Step } from './script.ts';

/** The body of a chat request, as far as the stand-in looks at it. */
interface ChatBody {
  logprobs?: boolean;
  top_logprobs?: number;
}

const createdAt = '2026-01-01T00:00:00.000000000Z';

/** The answer to POST /api/chat, as JSON lines (Ollama streams unless `stream` is false). */
function chatSteps(script: Script, body: ChatBody, asked: string): Step[] {
  const model = script.model === null ? undefined : (script.model ?? asked);
  const steps: Step[] = [];
  const add = (piece: boolean, message: object, more: object = { done: false }): void => {
    steps.push({ piece, text: `${JSON.stringify({ model, created_at: createdAt, message: { role: 'assistant', content: '', ...message }, ...more })}\n` });
  };
  for (const thinking of script.reasoning ?? []) add(true, { thinking });
  (script.pieces ?? (script.toolCalls ? [] : defaultPieces)).forEach((content, index) => {
    add(true, { content }, { done: false, ...logprobsOf(script, body, [content], index) });
  });
  for (const call of script.toolCalls ?? []) {
    add(true, { tool_calls: [{ id: call.id, function: { index: 0, name: call.name, arguments: JSON.parse(call.argumentPieces.join('')) as unknown } }] });
  }
  if (script.finish !== null) add(false, {}, ending(script));
  return steps;
}

/** The answer to POST /api/chat with `stream: false`. */
function chatCompletion(script: Script, body: ChatBody, asked: string): object {
  const toolCalls = script.toolCalls?.map((call) => ({ id: call.id, function: { name: call.name, arguments: JSON.parse(call.argumentPieces.join('')) as unknown } }));
  const pieces = script.pieces ?? (toolCalls ? [] : defaultPieces);
  const message = {
    role: 'assistant', content: pieces.join(''), ...(script.reasoning ? { thinking: script.reasoning.join('') } : {}), ...(toolCalls ? { tool_calls: toolCalls } : {}),
  };
  return { model: script.model ?? asked, created_at: createdAt, message, ...logprobsOf(script, body, pieces, 0), ...ending(script) };
}

/** What is said of these tokens, the first of which is the one with this number; nothing when nobody asked. */
function logprobsOf(script: Script, body: ChatBody, tokens: readonly string[], first: number): object {
  if (!body.logprobs || !script.logprobs) return {};
  const top = (script.topLogprobs ?? []).slice(0, body.top_logprobs ?? 0).map(({ token, logprob }) => ({ token, logprob, bytes: bytesOf(token) }));
  return { logprobs: tokens.map((token, index) => ({ token, logprob: script.logprobs![first + index], bytes: bytesOf(token), ...(top.length > 0 ? { top_logprobs: top } : {}) })) };
}

function ending(script: Script): object {
  const usage = usageOf(script);
  return {
    done: true,
    done_reason: script.finish ?? 'stop',
    total_duration: 5_000_000_000,
    load_duration: 1_000_000,
    ...(usage ? { prompt_eval_count: usage.tokensIn, prompt_eval_duration: 100_000_000, eval_count: usage.tokensOut, eval_duration: 4_000_000_000 } : {}),
  };
}

/** The answer to POST /api/embed. */
function embeddings(texts: string[], model: string, vectorOf: (text: string) => number[]): object {
  return { model, embeddings: texts.map(vectorOf), total_duration: 14_000_000, load_duration: 1_000_000, prompt_eval_count: texts.length * 3 };
}

/** The answer to GET /api/tags. */
function modelList(names: string[]): object {
  return {
    models: names.map((name) => ({
      name, model: name, modified_at: createdAt, size: 3_825_819_519, digest: `digest-of-${name}`,
      details: { parent_model: '', format: 'gguf', family: 'llama', families: ['llama'], parameter_size: '7B', quantization_level: 'Q4_0' },
    })),
  };
}

/** The answer to POST /api/show. */
function modelDetails(name: string, contextLength: number): object {
  return {
    modelfile: '', parameters: '', template: '{{ .Prompt }}',
    details: { parent_model: '', format: 'gguf', family: 'llama', families: ['llama'], parameter_size: '7B', quantization_level: 'Q4_0' },
    model_info: { 'general.architecture': 'llama', 'general.parameter_count': 6_738_415_616, 'llama.context_length': contextLength, 'llama.embedding_length': 4096 },
    capabilities: name.includes('embed') ? ['embedding'] : ['completion', 'tools'],
  };
}

/** The answer to GET /api/ps. */
function running(names: readonly string[]): object {
  return {
    models: names.map((name) => ({
      name, model: name, size: 5_137_025_024, digest: `digest-of-${name}`, expires_at: '2026-01-01T00:05:00.000000000Z', size_vram: 0, context_length: 4096,
      details: { parent_model: '', format: 'gguf', family: 'llama', families: ['llama'], parameter_size: '7B', quantization_level: 'Q4_0' },
    })),
  };
}

/** The answer to POST /api/generate without a prompt, which loads or unloads. */
export function loadAnswer(model: string, unloads: boolean): object {
  return { model, created_at: createdAt, response: '', done: true, done_reason: unloads ? 'unload' : 'load' };
}

/** The answer to POST /api/pull: Ollama answers 200 and tells errors in a line, because the first line is out already. */
function pullSteps(script: Script, installed: () => void): Step[] {
  const line = (piece: boolean, status: object): Step => ({ piece, text: `${JSON.stringify(status)}\n` });
  const steps = [line(false, { status: 'pulling manifest' })];
  if (script.pullError !== undefined) return [...steps, line(false, { error: script.pullError })];
  for (const [index, total] of (script.layers ?? [1000]).entries()) {
    const digest = `sha256:${String(index).repeat(64).slice(0, 64)}`;
    const status = `pulling ${digest.slice(7, 19)}`;
    steps.push(line(false, { status, digest, total }));
    for (const completed of [Math.floor(total / 2), total]) steps.push(line(true, { status, digest, total, completed }));
  }
  for (const status of ['verifying sha256 digest', 'writing manifest']) steps.push(line(false, { status }));
  return [...steps, { ...line(false, { status: 'success' }), before: installed }];
}

/** Ollama's form of an error. */
function errorBody(message: string): object {
  return { error: message };
}

/** An error in the middle of a stream. */
const errorEvent = `${JSON.stringify({ error: 'an error was encountered while running the model' })}\n`;
/** A line whose JSON is broken. */
const malformedEvent = '{"model":"llama2","message":{"role":"assistant","content":"broken\n';

const endpoints: Record<string, Endpoint> = { '/api/chat': 'chat', '/api/embed': 'embeddings', '/api/tags': 'models', '/api/show': 'show', '/api/ps': 'running', '/api/pull': 'pull', '/api/generate': 'load', '/api/delete': 'delete' };

interface RequestBody extends ChatBody {
  model?: string;
  stream?: boolean;
  messages?: { role: string; content: string; tool_calls?: { function: { name: string; arguments: unknown } }[] }[];
  tools?: { function: { name: string } }[];
  options?: Record<string, unknown>;
  input?: string | string[];
}

/** Ollama's own API, at the root of the stand-in. */
export const ollamaForm: Form = {
  name: 'ollama',
  endpointOf: (path) => endpoints[path] ?? null,
  streamType: 'application/x-ndjson',
  read({ headers, body }) {
    const { model, stream, messages, tools, options, input } = body as RequestBody;
    return {
      key: headers.authorization ?? null,
      model: model ?? null,
      stream: stream !== false,
      messages: (messages ?? []).map(({ role, content, tool_calls: calls }) => ({ role, text: content, calls: (calls ?? []).map((call) => call.function) })),
      tools: (tools ?? []).map((tool) => tool.function.name),
      sampling: defined({ temperature: options?.['temperature'], stop: options?.['stop'], seed: options?.['seed'], maxTokens: options?.['num_predict'] }),
      texts: typeof input === 'string' ? [input] : (input ?? []),
    };
  },
  chatSteps: (script, asked, model) => chatSteps(script, asked.body, model),
  chatCompletion: (script, asked, model) => chatCompletion(script, asked.body, model),
  embeddings,
  modelList,
  modelDetails,
  running,
  pullSteps,
  errorBody: (_status, _code, message) => errorBody(message),
  refusedKey: () => ({ status: 401, body: errorBody('unauthorized') }),
  unknownModel: (name) => ({ status: 404, body: errorBody(`model '${name}' not found`) }),
  isKnown: (name, names) => names.some((model) => model === name || model === `${name}:latest`),
  errorEvent,
  errorDocument: errorBody('an error was encountered while running the model'),
  malformedEvent,
};
