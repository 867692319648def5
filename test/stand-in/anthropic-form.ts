import { defined, sse, type Asked, type Form, type ReadMessage, type ReadRequest } from './form.ts';
import { defaultPieces, usageOf, type Script, type Step } from './script.ts';

/** Models on one page of the list, unless the request asks for fewer. */
const pageSize = 20;
const created = '2026-01-01T00:00:00Z';

/** Anthropic's Messages API: POST /v1/messages, GET /v1/models. */
export const anthropicForm: Form = {
  name: 'anthropic',
  streamType: 'text/event-stream; charset=utf-8',
  endpointOf: (path) => ({ '/v1/messages': 'chat' as const, '/v1/models': 'models' as const })[path] ?? null,
  read,
  chatSteps,
  chatCompletion,
  embeddings: () => { throw new Error('Anthropic makes no embeddings.'); },
  modelList,
  errorBody: (status, _code, message) => ({ type: 'error', error: { type: errorTypes[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error'), message }, request_id: 'req_standin' }),
  refusedKey: () => ({ status: 401, body: { type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' }, request_id: 'req_standin' } }),
  unknownModel: (name) => ({ status: 404, body: { type: 'error', error: { type: 'not_found_error', message: `model: ${name}` }, request_id: 'req_standin' } }),
  isKnown: (name, names) => names.includes(name),
  errorEvent: `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'api_error', message: 'Internal server error' } })}\n\n`,
  errorDocument: { type: 'error', error: { type: 'api_error', message: 'Internal server error' }, request_id: 'req_standin' },
  malformedEvent: 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"broken\n\n',
};

const errorTypes: Record<number, string> = {
  400: 'invalid_request_error', 401: 'authentication_error', 402: 'billing_error', 403: 'permission_error', 404: 'not_found_error',
  413: 'request_too_large', 429: 'rate_limit_error', 500: 'api_error', 504: 'timeout_error', 529: 'overloaded_error',
};

interface Block {
  type: string;
  text?: string;
  name?: string;
  input?: unknown;
  content?: string;
}

function read({ headers, body }: Asked): ReadRequest {
  const wire = body as { model?: string; stream?: boolean; system?: string; messages?: { role: string; content: string | Block[] }[]; tools?: { name: string }[]; temperature?: unknown; stop_sequences?: unknown; max_tokens?: unknown };
  const messages: ReadMessage[] = (wire.messages ?? []).map(({ role, content }) => {
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
    return {
      role: blocks.some((block) => block.type === 'tool_result') ? 'tool' : role,
      text: blocks.map((block) => block.text ?? block.content ?? '').join(''),
      calls: blocks.flatMap((block) => (block.type === 'tool_use' ? [{ name: block.name ?? '', arguments: block.input }] : [])),
    };
  });
  return {
    key: typeof headers['x-api-key'] === 'string' ? headers['x-api-key'] : null,
    model: wire.model ?? null,
    stream: wire.stream === true,
    messages: wire.system === undefined ? messages : [{ role: 'system', text: wire.system, calls: [] }, ...messages],
    tools: (wire.tools ?? []).map((tool) => tool.name),
    sampling: defined({ temperature: wire.temperature, stop: wire.stop_sequences, maxTokens: wire.max_tokens }),
    texts: [],
  };
}

/** The answer as server-sent events: a message, its blocks one after another, and why it ends. */
function chatSteps(script: Script, _asked: Asked, model: string): Step[] {
  const steps: Step[] = [];
  const add = (piece: boolean, event: { type: string }): void => {
    steps.push({ piece, text: sse(script, JSON.stringify(event), event.type) });
  };
  const blocks = blocksOf(script);
  add(false, { type: 'message_start', message: { ...messageOf(script, model), content: [], stop_reason: null, usage: usageAt(script, 'start') } } as { type: string });
  add(false, { type: 'ping' });
  blocks.forEach(({ block, field, deltaType, pieces }, index) => {
    add(false, { type: 'content_block_start', index, content_block: block } as { type: string });
    for (const piece of pieces) add(true, { type: 'content_block_delta', index, delta: { type: deltaType, [field]: piece } } as { type: string });
    if (block['type'] === 'thinking') add(false, { type: 'content_block_delta', index, delta: { type: 'signature_delta', signature: 'c2lnbmVk' } } as { type: string });
    add(false, { type: 'content_block_stop', index } as { type: string });
  });
  const reason = stopReason(script);
  if (reason !== null) add(false, { type: 'message_delta', delta: { stop_reason: reason, stop_sequence: null, stop_details: null }, usage: usageAt(script, 'end') } as { type: string });
  if (script.done !== false && reason !== null) add(false, { type: 'message_stop' });
  return steps;
}

/** The answer without streaming. */
function chatCompletion(script: Script, _asked: Asked, model: string): object {
  const content = blocksOf(script).map(({ block, field, pieces }) =>
    block['type'] === 'tool_use' ? { ...block, input: JSON.parse(pieces.join('') || '{}') as unknown } : { ...block, [field]: pieces.join('') });
  return { ...messageOf(script, model), content, stop_reason: stopReason(script) ?? 'end_turn', usage: { ...usageAt(script, 'start'), ...usageAt(script, 'end') } };
}

function messageOf(script: Script, model: string): object {
  return { id: 'msg_standin', type: 'message', role: 'assistant', model: script.model === null ? undefined : (script.model ?? model), stop_sequence: null };
}

interface ScriptedBlock {
  block: Record<string, unknown>;
  deltaType: string;
  field: string;
  pieces: string[];
}

function blocksOf(script: Script): ScriptedBlock[] {
  const pieces = script.pieces ?? (script.toolCalls || script.refusal !== undefined ? [] : defaultPieces);
  return [
    ...(script.reasoning ? [{ block: { type: 'thinking', thinking: '', signature: '' }, deltaType: 'thinking_delta', field: 'thinking', pieces: script.reasoning }] : []),
    ...(pieces.length > 0 ? [{ block: { type: 'text', text: '' }, deltaType: 'text_delta', field: 'text', pieces }] : []),
    ...(script.refusal === undefined ? [] : [{ block: { type: 'text', text: '' }, deltaType: 'text_delta', field: 'text', pieces: [script.refusal] }]),
    ...(script.toolCalls ?? []).map(({ id, name, argumentPieces }) => ({ block: { type: 'tool_use', id, name, input: {} }, deltaType: 'input_json_delta', field: 'partial_json', pieces: argumentPieces })),
  ];
}

/** Scripts name their reasons as OpenAI does. */
function stopReason(script: Script): string | null {
  const finish = script.finish === undefined ? (script.refusal === undefined ? (script.toolCalls ? 'tool_calls' : 'stop') : 'content_filter') : script.finish;
  return finish === null ? null : (({ stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use', content_filter: 'refusal' } as Record<string, string>)[finish] ?? finish);
}

/** Figures as they come: what was sent with the beginning, what was made with the end. */
function usageAt(script: Script, at: 'start' | 'end'): object | undefined {
  const usage = usageOf(script);
  if (!usage) return undefined;
  const { tokensIn, tokensOut, tokensCached, tokensReasoning } = usage;
  if (at === 'start') return { input_tokens: tokensIn - (tokensCached ?? 0), cache_creation_input_tokens: 0, cache_read_input_tokens: tokensCached, output_tokens: 1 };
  return { output_tokens: tokensOut, ...(tokensReasoning === undefined ? {} : { output_tokens_details: { thinking_tokens: tokensReasoning } }) };
}

/** A page of models, the first of them or those behind `after_id`. */
function modelList(names: string[], { query }: Asked): object {
  const asked = new URLSearchParams(query);
  const limit = Number(asked.get('limit') ?? pageSize);
  const from = names.indexOf(asked.get('after_id') ?? '') + 1;
  const page = names.slice(from, from + limit);
  return {
    data: page.map((id) => ({ type: 'model', id, display_name: id, created_at: created, max_input_tokens: 200_000, max_tokens: 64_000, capabilities: null })),
    has_more: from + page.length < names.length,
    first_id: page[0] ?? null,
    last_id: page.at(-1) ?? null,
  };
}
