import { bearer, defined, sse, type Form } from './form.ts';
import { defaultPieces, usageOf, type Endpoint, type Script, type Step } from './script.ts';

/** The body of a request, as far as the stand-in looks at it. */
interface RequestBody {
  model?: string;
  stream?: boolean;
  messages?: { role: string; content?: string | { text?: string }[]; tool_plan?: string; tool_calls?: { function: { name: string; arguments: string } }[] }[];
  tools?: { function: { name: string } }[];
  temperature?: unknown;
  stop_sequences?: unknown;
  seed?: unknown;
  max_tokens?: unknown;
  logprobs?: boolean;
  texts?: string[];
}

/** Models on a page of the list, however many are asked for: so lists have several. */
const pageSize = 2;

function usageBody(script: Script): object {
  const usage = usageOf(script);
  if (!usage) return {};
  const { tokensIn, tokensOut, tokensCached } = usage;
  // The service counts instructions of its own beside what it bills.
  return {
    usage: defined({
      billed_units: { input_tokens: tokensIn, output_tokens: tokensOut }, tokens: { input_tokens: tokensIn + 500, output_tokens: tokensOut + 4 }, cached_tokens: tokensCached,
    }),
  };
}

function finishReason(script: Script): string {
  const reason = script.finish ?? (script.toolCalls ? 'tool' : 'stop');
  return { length: 'MAX_TOKENS', stop: 'COMPLETE', tool: 'TOOL_CALL' }[reason] ?? reason;
}

function logprobsOf(script: Script, body: RequestBody, text: string, index: number): object | undefined {
  return body.logprobs && script.logprobs ? { text, token_ids: [index], logprobs: [script.logprobs[index]] } : undefined;
}

/** The answer to POST /v2/chat with `stream: true`. */
function chatSteps(script: Script, body: RequestBody): Step[] {
  const steps: Step[] = [];
  const add = (piece: boolean, type: string, more: object): void => { steps.push({ piece, text: sse(script, JSON.stringify({ type, ...more }), type) }); };
  const message = (delta: object): object => ({ delta: { message: delta } });
  const block = (index: number, type: 'text' | 'thinking', pieces: readonly string[]): void => {
    add(false, 'content-start', { index, ...message({ content: { type, [type]: '' } }) });
    pieces.forEach((text, at) => {
      const logprobs = type === 'text' ? logprobsOf(script, body, text, at) : undefined;
      add(true, 'content-delta', { index, ...message({ content: { [type]: text } }), ...(logprobs ? { logprobs } : {}) });
    });
    add(false, 'content-end', { index });
  };

  add(false, 'message-start', { id: 'standin', ...message({ role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] }) });
  if (script.reasoning) block(0, 'thinking', script.reasoning);
  const pieces = script.pieces ?? (script.toolCalls ? [] : defaultPieces);
  if (pieces.length > 0) block(script.reasoning ? 1 : 0, 'text', pieces);
  (script.toolCalls ?? []).forEach(({ id, name, argumentPieces }, index) => {
    add(false, 'tool-call-start', { index, ...message({ tool_calls: { id, type: 'function', function: { name, arguments: '' } } }) });
    for (const text of argumentPieces) add(true, 'tool-call-delta', { index, ...message({ tool_calls: { function: { arguments: text } } }) });
    add(false, 'tool-call-end', { index });
  });
  if (script.finish !== null) add(false, 'message-end', { delta: { finish_reason: finishReason(script), ...usageBody(script) } });
  return steps;
}

/** The answer without streaming. */
function chatCompletion(script: Script, body: RequestBody): object {
  const pieces = script.pieces ?? (script.toolCalls ? [] : defaultPieces);
  const content = [
    ...(script.reasoning ? [{ type: 'thinking', thinking: script.reasoning.join('') }] : []),
    ...(pieces.length > 0 ? [{ type: 'text', text: pieces.join('') }] : []),
  ];
  const calls = script.toolCalls?.map(({ id, name, argumentPieces }) => ({ id, type: 'function', function: { name, arguments: argumentPieces.join('') } }));
  const logprobs = pieces.flatMap((text, index) => logprobsOf(script, body, text, index) ?? []);
  return {
    id: 'standin', message: { role: 'assistant', ...(content.length > 0 ? { content } : {}), ...(calls ? { tool_calls: calls } : {}) },
    finish_reason: finishReason(script), ...usageBody(script), ...(logprobs.length > 0 ? { logprobs } : {}),
  };
}

const errorBody = (_status: number, _code: string | undefined, message: string): object => ({ id: 'standin', message });

const endpoints: Record<string, Endpoint> = { '/v2/chat': 'chat', '/v2/embed': 'embeddings', '/v1/models': 'models' };

/** Cohere's API, at /cohere. */
export const cohereForm: Form = {
  name: 'cohere',
  endpointOf: (path) => endpoints[path] ?? null,
  streamType: 'text/event-stream',
  read({ headers, body }) {
    const { model, stream, messages, tools, texts, ...more } = body as RequestBody;
    return {
      key: bearer(headers),
      model: model ?? null,
      stream: stream === true,
      messages: (messages ?? []).map(({ role, content, tool_plan: plan, tool_calls: calls }) => ({
        role,
        text: (Array.isArray(content) ? content.map((part) => part.text ?? '').join('') : content) ?? plan ?? '',
        calls: (calls ?? []).map((call) => ({ name: call.function.name, arguments: JSON.parse(call.function.arguments) as unknown })),
      })),
      tools: (tools ?? []).map((tool) => tool.function.name),
      sampling: defined({ temperature: more.temperature, stop: more.stop_sequences, seed: more.seed, maxTokens: more.max_tokens }),
      texts: texts ?? [],
    };
  },
  chatSteps: (script, asked) => chatSteps(script, asked.body),
  chatCompletion: (script, asked) => chatCompletion(script, asked.body),
  embeddings: (texts, _model, vectorOf) => ({
    id: 'standin', texts, embeddings: { float: texts.map(vectorOf) }, meta: { api_version: { version: '2' }, billed_units: { input_tokens: texts.length * 3 } },
  }),
  modelList(names, { query }) {
    const from = Number(new URLSearchParams(query).get('page_token') ?? 0);
    const models = names.slice(from, from + pageSize).map((name) => ({
      name, is_deprecated: false, endpoints: name.startsWith('embed') ? ['embed'] : ['chat'], finetuned: false,
      context_length: name.startsWith('embed') ? 128_000 : 256_000, features: name.startsWith('embed') ? null : ['tools', 'strict_tools', 'json_mode', 'json_schema'],
    }));
    return { models, ...(from + pageSize < names.length ? { next_page_token: String(from + pageSize) } : {}) };
  },
  errorBody,
  refusedKey: () => ({ status: 401, body: errorBody(401, undefined, 'invalid api token') }),
  unknownModel: (name) => ({ status: 404, body: errorBody(404, undefined, `model '${name}' not found, make sure the correct model ID was used and that you have access to the model.`) }),
  isKnown: (name, names) => names.includes(name),
  errorEvent: `event: message-end\ndata: ${JSON.stringify({ type: 'message-end', delta: { error: 'internal server error', finish_reason: 'ERROR' } })}\n\n`,
  errorDocument: { id: 'standin', message: { role: 'assistant', content: [] }, finish_reason: 'ERROR' },
  malformedEvent: 'event: content-delta\ndata: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"broken\n\n',
};
