import type { Engine } from '../../src/base/storage/index.ts';
import { operations } from './operations-table.ts';
import type { Chat } from './world.ts';

/** What the suite must know of a route to write its requests. */
export interface Entry {
  /** Who may use it: `anyone`, or who has proven who they are, an administrator, or a request under local trust. */
  access: 'anyone' | 'user' | 'admin' | 'local';
  /** The address of what `chat` holds, or of anything for routes without parameters. */
  path(chat: Chat): string;
  /** Names of the query parameters it reads. */
  query?: readonly string[];
  /** A body that is taken, with every field it reads. */
  body?: Record<string, unknown>;
  /** Status of a good request by the owner; by engine where they differ. */
  good: number | Record<Engine, number>;
  /** Whether the address names what belongs to a user. */
  owned?: boolean;
  /** Whether a good request ends the credential it was sent with. */
  endsCredential?: boolean;
  /** Whether requests without credentials act as the owner on this machine. */
  localTrust?: boolean;
}

const chat = ({ chatId }: Chat): string => `/api/v1/chat/chats/${chatId}`;
const question = (made: Chat): string => `${chat(made)}/messages/${made.questionId}`;
const answer = (made: Chat): string => `${chat(made)}/messages/${made.answerId}`;
const session = ({ sessionId }: Chat): string => `/api/agent-chat/sessions/${sessionId}`;
const studioMessages = ({ chatId }: Chat): string => `/api/chat/conversations/${chatId}/messages`;
const at = (path: string) => (): string => path;

const chatFields = {
  title: 'A title', description: 'What it is about', ai_model: 'builtin/parley', ai_persona: 'kind', system_prompt: 'Be kind.', temperature: 0.5, max_tokens: 100,
  is_private: true, tags: ['one'],
};

const completion = {
  model: 'builtin/parley', messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello?' }], tool_calls: [], tool_call_id: 'x', name: 'ann', refusal: 'No.', function_call: { name: 'f', arguments: '{}' } }], stream: false,
  stream_options: { include_usage: true }, store: false, metadata: { a: 'b' }, temperature: 1, top_p: 1, top_k: 40, min_p: 0.1, repeat_penalty: 1, repetition_penalty: 1, max_tokens: 20, max_completion_tokens: 20, stop: ['END'], seed: 1,
  frequency_penalty: 0, presence_penalty: 0, n: 1, tool_choice: 'auto', parallel_tool_calls: true, response_format: { type: 'text' }, logprobs: false, function_call: 'auto',
  logit_bias: {}, functions: [], tools: [], modalities: ['text'], user: 'somebody', reasoning_effort: 'low', verbosity: 'low', service_tier: 'auto',
};

const response = {
  model: 'builtin/parley', input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello?' }], id: 'x', status: 'completed' }], instructions: 'Be kind.',
  previous_response_id: null, store: true, stream: false, stream_options: { include_obfuscation: false }, background: false, tools: [], tool_choice: 'auto', parallel_tool_calls: true,
  max_tool_calls: 1, text: { format: { type: 'text' }, verbosity: 'low' }, reasoning: { effort: 'low', summary: 'auto' }, max_output_tokens: 20, temperature: 1, top_p: 1, top_logprobs: 0,
  include: ['reasoning.encrypted_content'], metadata: { a: 'b' }, truncation: 'auto', user: 'somebody', safety_identifier: 'x', prompt_cache_key: 'x', service_tier: 'auto',
  conversation: null, prompt: null, moderation: null,
};

const textCompletion = {
  model: 'builtin/parley', prompt: ['Hello?'], stream: false, stream_options: { include_usage: true }, n: 1, best_of: 1, echo: true, suffix: '', logprobs: null, max_tokens: 20, temperature: 1, top_p: 1,
  stop: ['END'], seed: 1, frequency_penalty: 0, presence_penalty: 0, logit_bias: {}, user: 'somebody',
};

const responseAt = ({ responseId }: Chat): string => `/v1/responses/${responseId}`;

/** What both ways to ask on Ollama's API read. */
const ollamaAsking = {
  model: 'builtin/parley', stream: false, format: '', think: false, keep_alive: '5m', truncate: true, shift: true, logprobs: false, top_logprobs: 0,
  options: { num_predict: 20, temperature: 1, top_k: 0, top_p: 1, seed: 1, stop: ['END'], presence_penalty: 0, frequency_penalty: 0, num_ctx: 100 },
};
const ollamaChat = {
  ...ollamaAsking, tools: [],
  messages: [{ role: 'user', content: 'Hello?', thinking: 'x', images: [], tool_calls: [], tool_name: 'x', tool_call_id: 'x' }],
};
const ollamaGenerate = { ...ollamaAsking, prompt: 'Hello?', system: 'Be kind.', images: [], suffix: '', template: '', raw: false, context: [] };

const account = { username: 'cleo', password: 'a long password', email: 'cleo@example.com', name: 'Cleo', code: 'a-code' };

/** Both tests of ways to a model read this; nobody here has a key for OpenAI. */
const langchainTrial = { message: 'Hello?', model: 'gpt-4', temperature: 0.5, system_prompt: 'Be kind.' };

const pipelineStage = { name: 'first', model: 'technical', backend_model: 'stand-in/gpt-4o', prompt: 'Say {{input}}', system: 'Be curt.', max_tokens: 100, temperature: 0.5 };

const ultimate: Record<string, Entry> = {
  'POST /api/auth/token': { access: 'user', path: at('/api/auth/token'), body: { agent_id: 'agent-123', permissions: ['read', 'chat'] }, good: 200, localTrust: true },
  'POST /api/ai/conversations': {
    access: 'user', path: at('/api/ai/conversations'), good: 200, localTrust: true,
    body: { user_id: 'local_user', model_type: 'general', conversation_title: 'General Discussion', voice_enabled: false, backend_model: 'stand-in/gpt-4o' },
  },
  'GET /api/ai/conversations': { access: 'user', path: at('/api/ai/conversations'), query: ['user_id', 'limit', 'page'], good: 200, localTrust: true },
  'GET /api/ai/conversations/:conversation_id': { access: 'user', path: ({ chatId }) => `/api/ai/conversations/${chatId}`, good: 200, owned: true, localTrust: true },
  'POST /api/ai/chat': {
    access: 'user', path: at('/api/ai/chat'), good: 200, localTrust: true,
    body: {
      input: 'Hello?', model: 'technical', backend_model: 'stand-in/gpt-4o',
      options: { context_aware: true, return_confidence: true, max_tokens: 500, cache_context: true, max_context_length: 2000 },
    },
  },
  'GET /api/ai/chat/statistics': { access: 'user', path: at('/api/ai/chat/statistics'), good: 200, localTrust: true },
  'GET /device': { access: 'anyone', path: at('/device'), query: ['user_code'], good: 200 },
  'POST /device': { access: 'anyone', path: at('/device'), good: 403 },
  'GET /api/v4/stats/enhanced': { access: 'user', path: at('/api/v4/stats/enhanced'), good: 200, localTrust: true },
  'GET /api/v4/capabilities': { access: 'user', path: at('/api/v4/capabilities'), good: 200, localTrust: true },
  'GET /api/v4/health/comprehensive': { access: 'user', path: at('/api/v4/health/comprehensive'), good: 200, localTrust: true },
  'GET /api/v4/analytics/ai-performance': { access: 'user', path: at('/api/v4/analytics/ai-performance'), query: ['timeframe', 'whose'], good: 200, localTrust: true },
  'GET /api/v4/performance/detailed': { access: 'user', path: at('/api/v4/performance/detailed'), query: ['component', 'timeframe'], good: 200, localTrust: true },
  'GET /api/v4/health/alerts': { access: 'user', path: at('/api/v4/health/alerts'), good: 200, localTrust: true },
  'GET /api/v4/ai/pipeline/status': { access: 'user', path: at('/api/v4/ai/pipeline/status'), good: 200, localTrust: true },
  'POST /api/v4/ai/inference/batch': {
    access: 'user', path: at('/api/v4/ai/inference/batch'), good: 200, localTrust: true,
    body: { requests: [{ model: 'stand-in/gpt-4o', input: 'Hello?' }], options: { max_tokens: 100, temperature: 0 }, backend_model: 'stand-in/gpt-4o' },
  },
  'POST /api/v4/ai/pipeline/run': {
    access: 'user', path: at('/api/v4/ai/pipeline/run'), good: 200, localTrust: true,
    body: { type: 'parallel', input: 'Hello?', stages: [pipelineStage], join: { ...pipelineStage, name: 'last' }, stream: false, wait: true },
  },
  'GET /api/v4/ai/pipeline/runs': { access: 'user', path: at('/api/v4/ai/pipeline/runs'), query: ['limit', 'offset'], good: 200, localTrust: true },
  'GET /api/v4/ai/pipeline/runs/:run_id': { access: 'user', path: ({ pipelineId }) => `/api/v4/ai/pipeline/runs/${pipelineId}`, good: 200, owned: true, localTrust: true },
  'DELETE /api/v4/ai/pipeline/runs/:run_id': { access: 'user', path: ({ pipelineId }) => `/api/v4/ai/pipeline/runs/${pipelineId}`, good: 200, owned: true, localTrust: true },
  'GET /api/v4/ai/pipeline/runs/:run_id/events': { access: 'user', path: ({ pipelineId }) => `/api/v4/ai/pipeline/runs/${pipelineId}/events`, good: 200, owned: true, localTrust: true },
  'GET /api/v4/ai/ollama/status': { access: 'user', path: at('/api/v4/ai/ollama/status'), good: 200, localTrust: true },
  'POST /api/v4/ai/ollama/generate/stream': {
    access: 'user', path: at('/api/v4/ai/ollama/generate/stream'), good: 200, localTrust: true,
    body: { model: 'llama2', prompt: 'Hello?', stream: true, options: { temperature: 0.7, max_tokens: 500 } },
  },
  'POST /api/v4/ai/ollama/models/pull': { access: 'admin', path: at('/api/v4/ai/ollama/models/pull'), body: { model: 'codellama:7b', instance_id: 'nowhere:11434' }, good: 404, localTrust: true },
  'POST /api/v4/ai/ollama/models/load': { access: 'admin', path: at('/api/v4/ai/ollama/models/load'), body: { model: 'codellama:7b', instance_id: 'nowhere:11434' }, good: 404, localTrust: true },
  'POST /api/v4/ai/ollama/models/unload': { access: 'admin', path: at('/api/v4/ai/ollama/models/unload'), body: { model: 'codellama:7b', instance_id: 'nowhere:11434' }, good: 404, localTrust: true },
  'POST /api/v4/ai/ollama/models/delete': { access: 'admin', path: at('/api/v4/ai/ollama/models/delete'), body: { model: 'codellama:7b', instance_id: 'nowhere:11434' }, good: 404, localTrust: true },
  'DELETE /api/v4/ai/ollama/models/pulls/:pull_id': { access: 'admin', path: at('/api/v4/ai/ollama/models/pulls/none'), good: 404, localTrust: true },
  'POST /api/v4/auth/oauth/authorize': {
    access: 'anyone', path: at('/api/v4/auth/oauth/authorize'), good: 400,
    body: { client_id: 'nobody', scope: ['chat'], device_info: { platform: 'ios', version: '16.0', device_id: 'iPhone14,2' } },
  },
  'POST /api/v4/auth/oauth/token': {
    access: 'anyone', path: at('/api/v4/auth/oauth/token'), good: 400,
    body: { grant_type: 'refresh_token', client_id: 'nobody', device_code: 'x', refresh_token: 'x', scope: 'chat' },
  },
  'POST /api/v4/auth/oauth/revoke': { access: 'anyone', path: at('/api/v4/auth/oauth/revoke'), body: { token: 'x', client_id: 'nobody', token_type_hint: 'refresh_token' }, good: 200 },
  'GET /api/v4/auth/oauth/clients': { access: 'admin', path: at('/api/v4/auth/oauth/clients'), good: 200, localTrust: true },
  'POST /api/v4/auth/oauth/clients': { access: 'admin', path: at('/api/v4/auth/oauth/clients'), body: { client_id: 'no id', name: 'App', scope: ['chat'] }, good: 400, localTrust: true },
  'DELETE /api/v4/auth/oauth/clients/:client_id': { access: 'admin', path: at('/api/v4/auth/oauth/clients/none'), good: 404, localTrust: true },
  'GET /api/v4/auth/oauth/grants': { access: 'user', path: at('/api/v4/auth/oauth/grants'), good: 200, localTrust: true },
  'DELETE /api/v4/auth/oauth/grants/:grant_id': { access: 'user', path: at('/api/v4/auth/oauth/grants/none'), good: 404, localTrust: true },
};

/** Every route of the server. One that is missing here fails the suite; those that are not built yet need no entry. */
export const routeTable: Record<string, Entry> = {
  'GET /health': { access: 'anyone', path: at('/health'), good: 200 },
  'GET /metrics': { access: 'admin', path: at('/metrics'), good: 200, localTrust: true },
  'GET /docs': { access: 'anyone', path: at('/docs'), good: 200 },
  'GET /docs/json': { access: 'anyone', path: at('/docs/json'), good: 200 },
  'GET /docs/start.js': { access: 'anyone', path: at('/docs/start.js'), good: 200 },
  'GET /docs/swagger-ui.css': { access: 'anyone', path: at('/docs/swagger-ui.css'), good: 200 },
  'GET /docs/swagger-ui-bundle.js': { access: 'anyone', path: at('/docs/swagger-ui-bundle.js'), good: 200 },
  'GET /': { access: 'anyone', path: at('/'), good: 200 },

  'POST /v1/chat/completions': { access: 'user', path: at('/v1/chat/completions'), body: completion, good: 200, localTrust: true },
  'GET /v1/chat/completions/:completion_id': { access: 'user', path: (made) => `/v1/chat/completions/chatcmpl-${made.answerId}`, good: 200, owned: true, localTrust: true },
  'GET /v1/chat/completions/:completion_id/messages': { access: 'user', path: (made) => `/v1/chat/completions/chatcmpl-${made.answerId}/messages`, query: ['limit', 'order', 'after'], good: 200, owned: true, localTrust: true },
  'DELETE /v1/chat/completions/:completion_id': { access: 'user', path: (made) => `/v1/chat/completions/chatcmpl-${made.answerId}`, good: 200, owned: true, localTrust: true },
  'POST /v1/embeddings': { access: 'user', path: at('/v1/embeddings'), body: { model: 'builtin/parley', input: ['x'], encoding_format: 'float', dimensions: 8, user: 'x' }, good: 400, localTrust: true },
  'POST /v1/completions': { access: 'user', path: at('/v1/completions'), body: textCompletion, good: 200, localTrust: true },
  'POST /v1/responses': { access: 'user', path: at('/v1/responses'), body: response, good: 200, localTrust: true },
  'GET /v1/responses/:response_id': { access: 'user', path: responseAt, query: ['stream', 'starting_after'], good: 200, owned: true, localTrust: true },
  'DELETE /v1/responses/:response_id': { access: 'user', path: responseAt, good: 200, owned: true, localTrust: true },
  'POST /v1/responses/:response_id/cancel': { access: 'user', path: (made) => `${responseAt(made)}/cancel`, good: 200, owned: true, localTrust: true },
  'GET /v1/responses/:response_id/input_items': { access: 'user', path: (made) => `${responseAt(made)}/input_items`, query: ['limit', 'order', 'after'], good: 200, owned: true, localTrust: true },
  'GET /v1/models': { access: 'user', path: at('/v1/models'), good: 200, localTrust: true },
  'GET /v1/models/*': { access: 'user', path: at('/v1/models/builtin/parley'), good: 200, localTrust: true },

  'GET ollama:/': { access: 'anyone', path: at('ollama:/'), good: 200 },
  'GET ollama:/api/version': { access: 'anyone', path: at('ollama:/api/version'), good: 200 },
  'GET ollama:/api/tags': { access: 'user', path: at('ollama:/api/tags'), good: 200, localTrust: true },
  'GET ollama:/api/ps': { access: 'user', path: at('ollama:/api/ps'), good: 200, localTrust: true },
  'POST ollama:/api/show': { access: 'user', path: at('ollama:/api/show'), body: { model: 'parley', name: 'parley' }, good: 200, localTrust: true },
  'POST ollama:/api/chat': { access: 'user', path: at('ollama:/api/chat'), body: ollamaChat, good: 200, localTrust: true },
  'POST ollama:/api/generate': { access: 'user', path: at('ollama:/api/generate'), body: ollamaGenerate, good: 200, localTrust: true },
  'POST ollama:/api/embed': { access: 'user', path: at('ollama:/api/embed'), body: { model: 'parley', input: ['x'], truncate: true, dimensions: 8, keep_alive: 0, options: {} }, good: 400, localTrust: true },
  'POST ollama:/api/embeddings': { access: 'user', path: at('ollama:/api/embeddings'), body: { model: 'parley', prompt: 'x', keep_alive: 0, options: {} }, good: 400, localTrust: true },
  'POST ollama:/api/pull': { access: 'admin', path: at('ollama:/api/pull'), body: { model: 'no-source', name: 'no-source', stream: false }, good: 400, localTrust: true },
  'DELETE ollama:/api/delete': { access: 'admin', path: at('ollama:/api/delete'), body: { model: 'none', name: 'none' }, good: 404, localTrust: true },

  'POST /api/auth/register': { access: 'anyone', path: at('/api/auth/register'), body: account, good: 201 },
  'POST /api/auth/login': { access: 'anyone', path: at('/api/auth/login'), body: { username: 'ann', password: 'ann-secret-1' }, good: 200 },
  'POST /api/auth/local': { access: 'local', path: at('/api/auth/local'), good: 200, localTrust: true },
  'GET /api/auth/session': { access: 'anyone', path: at('/api/auth/session'), good: 200 },
  'POST /api/auth/logout': { access: 'user', path: at('/api/auth/logout'), good: 200, endsCredential: true },

  'POST /api/agent-chat/sessions': {
    access: 'user', path: at('/api/agent-chat/sessions'), good: 201,
    body: {
      agent1Id: '0.0.1', agent1Role: 'customer', agent1Model: 'stand-in/gpt-4o', agent1Prompt: 'Be curt.', agent2Id: '0.0.2', agent2Role: 'travel', agent2Model: 'stand-in/gpt-4o',
      agent2Prompt: 'Be kind.', title: 'A title', limits: { turns: 5, depth: 5, minutes: 5, cost: 0.5 },
    },
  },
  'GET /api/agent-chat/sessions': { access: 'user', path: at('/api/agent-chat/sessions'), query: ['limit', 'offset', 'status'], good: 200 },
  'GET /api/agent-chat/sessions/:sessionId': { access: 'user', path: session, good: 200, owned: true },
  'DELETE /api/agent-chat/sessions/:sessionId': { access: 'user', path: session, good: 200, owned: true },
  'GET /api/agent-chat/sessions/:sessionId/messages': { access: 'user', path: (made) => `${session(made)}/messages`, query: ['startIndex', 'batchSize'], good: 200, owned: true },
  'GET /api/agent-chat/sessions/:sessionId/transcript': { access: 'user', path: (made) => `${session(made)}/transcript`, good: 409, owned: true },
  'GET /api/agent-chat/sessions/:sessionId/transcript/anchors': { access: 'user', path: (made) => `${session(made)}/transcript/anchors`, good: 409, owned: true },
  'POST /api/agent-chat/sessions/:sessionId/transcript/anchors': { access: 'user', path: (made) => `${session(made)}/transcript/anchors`, good: 409, owned: true },
  'GET /api/agent-chat/ledger/keys': { access: 'anyone', path: at('/api/agent-chat/ledger/keys'), good: 200 },
  'GET /api/agent-chat/ledger/head': { access: 'anyone', path: at('/api/agent-chat/ledger/head'), good: 200 },
  'GET /api/agent-chat/ledger/witness': { access: 'anyone', path: at('/api/agent-chat/ledger/witness'), query: ['size'], good: 200 },
  'POST /api/agent-chat/ledger/check': { access: 'user', path: at('/api/agent-chat/ledger/check'), body: { file: '{}', session: 'one' }, good: 200 },
  'POST /api/agent-chat/sessions/:sessionId/run': { access: 'user', path: (made) => `${session(made)}/run`, body: { turns: 1, message: 'Hello?' }, good: 202, owned: true },
  'POST /api/agent-chat/sessions/:sessionId/pause': { access: 'user', path: (made) => `${session(made)}/pause`, good: 409, owned: true },
  'POST /api/agent-chat/sessions/:sessionId/stop': { access: 'user', path: (made) => `${session(made)}/stop`, good: 200, owned: true },

  ...ultimate,
  ...operations,

  'GET /api/chat/conversations': { access: 'user', path: at('/api/chat/conversations'), query: ['limit', 'offset'], good: 200 },
  'POST /api/chat/conversations': {
    access: 'user', path: at('/api/chat/conversations'), good: 201,
    body: { title: 'A title', system_prompt: 'Be kind.', model_provider: 'openai', model_name: 'gpt-4o', settings: { temperature: 0.5, max_tokens: 100 } },
  },
  'GET /api/chat/conversations/:conversation_id/messages': { access: 'user', path: studioMessages, query: ['limit', 'offset'], good: 200, owned: true },
  'POST /api/chat/conversations/:conversation_id/messages': { access: 'user', path: studioMessages, body: { content: 'Hello?', model: 'gpt-4o', provider: 'stand-in' }, good: 200, owned: true },

  'POST /api/chat/send': {
    access: 'user', path: at('/api/chat/send'), good: 200,
    body: { message: 'Hello?', context: { location: 'home' }, save_to_memory: true, session_id: null },
  },
  'GET /api/chat/stream': { access: 'user', path: at('/api/chat/stream?message=Hello'), query: ['message', 'token', 'session_id', 'idempotency_key'], good: 200 },
  'GET /api/chat/history': { access: 'user', path: ({ chatId }) => `/api/chat/history?session_id=${chatId}`, query: ['limit', 'session_id'], good: 200, owned: true },
  'DELETE /api/chat/clear': { access: 'user', path: at('/api/chat/clear'), good: 200 },
  'GET /api/chat/sessions': { access: 'user', path: at('/api/chat/sessions'), query: ['limit'], good: 200 },
  'POST /api/chat/select': { access: 'user', path: at('/api/chat/select'), body: { session_id: 'none' }, good: 404 },
  'POST /api/chat/cancel': { access: 'user', path: at('/api/chat/cancel'), body: { message_id: 1_000_000, session_id: null }, good: 404 },
  'GET /stats': { access: 'admin', path: at('/stats'), good: 200 },

  'GET /api/v1/chat/chats': { access: 'user', path: at('/api/v1/chat/chats'), query: ['limit', 'offset', 'state', 'pinned', 'include'], good: 200 },
  'POST /api/v1/chat/chats': { access: 'user', path: at('/api/v1/chat/chats'), body: { ...chatFields, chat_type: 'DIRECT', auto_title: false }, good: 200 },
  'GET /api/v1/chat/chats/:chat_id': { access: 'user', path: chat, query: ['limit', 'offset', 'include'], good: 200, owned: true },
  'PATCH /api/v1/chat/chats/:chat_id': { access: 'user', path: chat, body: chatFields, good: 200, owned: true },
  'DELETE /api/v1/chat/chats/:chat_id': { access: 'user', path: chat, good: 204, owned: true },
  'GET /api/v1/chat/search': { access: 'user', path: at('/api/v1/chat/search?q=hello'), query: ['q', 'limit', 'offset', 'cursor', 'chat_id', 'role', 'from', 'to', 'state'], good: 200 },
  'GET /api/v1/chat/chats/:chat_id/usage': { access: 'user', path: (made) => `${chat(made)}/usage`, good: 200, owned: true },
  'GET /api/v1/chat/chats/:chat_id/export': { access: 'user', path: (made) => `${chat(made)}/export`, query: ['format'], good: 200, owned: true },
  'GET /api/v1/chat/export': { access: 'user', path: at('/api/v1/chat/export'), query: ['format'], good: 200 },
  'POST /api/v1/chat/import': { access: 'user', path: at('/api/v1/chat/import'), good: 400 },
  'GET /api/v1/chat/imports': { access: 'user', path: at('/api/v1/chat/imports'), good: 200 },
  'GET /api/v1/chat/imports/:import_id': { access: 'user', path: at('/api/v1/chat/imports/none'), good: 404 },
  'POST /api/v1/chat/imports/:import_id/cancel': { access: 'user', path: at('/api/v1/chat/imports/none/cancel'), good: 404 },
  'POST /api/v1/chat/chats/:chat_id/archive': { access: 'user', path: (made) => `${chat(made)}/archive`, good: 200, owned: true },
  'POST /api/v1/chat/chats/:chat_id/trash': { access: 'user', path: (made) => `${chat(made)}/trash`, good: 200, owned: true },
  'POST /api/v1/chat/chats/:chat_id/restore': { access: 'user', path: (made) => `${chat(made)}/restore`, good: 200, owned: true },
  'POST /api/v1/chat/chats/:chat_id/pin': { access: 'user', path: (made) => `${chat(made)}/pin`, good: 200, owned: true },
  'POST /api/v1/chat/chats/:chat_id/unpin': { access: 'user', path: (made) => `${chat(made)}/unpin`, good: 200, owned: true },
  'GET /api/v1/chat/chats/:chat_id/participants': { access: 'user', path: (made) => `${chat(made)}/participants`, query: ['include'], good: 200, owned: true },
  'POST /api/v1/chat/chats/:chat_id/participants': { access: 'user', path: (made) => `${chat(made)}/participants`, body: { username: 'ann' }, good: 200, owned: true },
  'PATCH /api/v1/chat/chats/:chat_id/participants/:user_id': {
    access: 'user', path: (made) => `${chat(made)}/participants/${made.ownerId}`, body: { role: 'OWNER', can_send_messages: true, can_upload_files: true }, good: 200, owned: true,
  },
  'DELETE /api/v1/chat/chats/:chat_id/participants/:user_id': { access: 'user', path: (made) => `${chat(made)}/participants/${made.ownerId}`, good: 409, owned: true },
  'POST /api/v1/chat/chats/:chat_id/join': { access: 'user', path: (made) => `${chat(made)}/join`, good: 200, owned: true },
  'POST /api/v1/chat/chats/:chat_id/leave': { access: 'user', path: (made) => `${chat(made)}/leave`, good: 409, owned: true },
  'POST /api/v1/chat/chats/:chat_id/read': { access: 'user', path: (made) => `${chat(made)}/read`, good: 200, owned: true },
  'GET /api/v1/chat/public': { access: 'user', path: at('/api/v1/chat/public'), query: ['limit', 'offset'], good: 200 },
  'POST /api/v1/chat/chats/:chat_id/typing': { access: 'user', path: (made) => `${chat(made)}/typing`, good: 200, owned: true },
  'POST /api/v1/chat/chats/:chat_id/messages': {
    access: 'user', path: (made) => `${chat(made)}/messages`, query: ['include'], good: 200, owned: true,
    body: { content: 'Hello?', message_type: 'USER', reply_to_id: null, message_metadata: { a: { b: 'c' } }, answer: false, images: ['https://pictures.example/one.png'] },
  },
  'GET /api/v1/chat/chats/:chat_id/messages/:message_id': { access: 'user', path: answer, good: 200, owned: true },
  'GET /api/v1/chat/chats/:chat_id/messages/:message_id/images/:position': { access: 'user', path: (made) => `${question(made)}/images/0`, good: 404, owned: true },
  'GET /api/v1/chat/chats/:chat_id/messages/:message_id/stream': { access: 'user', path: (made) => `${answer(made)}/stream`, query: ['after'], good: 200, owned: true },
  'POST /api/v1/chat/chats/:chat_id/messages/:message_id/cancel': { access: 'user', path: (made) => `${answer(made)}/cancel`, good: 200, owned: true },
  'POST /api/v1/chat/chats/:chat_id/messages/:message_id/continue': { access: 'user', path: (made) => `${answer(made)}/continue`, body: { ai_model: 'builtin/parley' }, good: 409, owned: true },
  'POST /api/v1/chat/chats/:chat_id/messages/:message_id/regenerate': { access: 'user', path: (made) => `${answer(made)}/regenerate`, body: { ai_model: 'builtin/parley' }, good: 200, owned: true },
  'POST /api/v1/chat/chats/:chat_id/messages/:message_id/edit': { access: 'user', path: (made) => `${question(made)}/edit`, body: { content: 'Other?', ai_model: 'builtin/parley' }, good: 200, owned: true },
  'POST /api/v1/chat/chats/:chat_id/messages/:message_id/select': { access: 'user', path: (made) => `${answer(made)}/select`, good: 200, owned: true },

  'POST /api/v1/chat/chats/:chat_id/ai-message': { access: 'user', path: (made) => `${chat(made)}/ai-message`, body: { message: 'Hello?', stream: false, save_to_history: true }, good: 200, owned: true },
  'GET /api/v1/chat/langchain/health': { access: 'user', path: at('/api/v1/chat/langchain/health'), good: 200 },
  'POST /api/v1/chat/langchain/test': { access: 'user', path: at('/api/v1/chat/langchain/test'), body: langchainTrial, good: 200 },
  'POST /api/v1/chat/openai/test': { access: 'user', path: at('/api/v1/chat/openai/test'), body: langchainTrial, good: 400 },
  'GET /api/v1/chat/services/status': { access: 'user', path: at('/api/v1/chat/services/status'), good: 200 },
  'GET /api/v1/chat/stats': { access: 'user', path: at('/api/v1/chat/stats'), good: 200 },
  'POST /api/v1/chat/test/connection': { access: 'user', path: at('/api/v1/chat/test/connection'), good: 200 },

  'GET /api/v1/chat/models': { access: 'user', path: at('/api/v1/chat/models'), good: 200 },
  'GET /api/v1/chat/setup': { access: 'user', path: at('/api/v1/chat/setup'), good: 200 },
  'GET /api/v1/chat/keys': { access: 'user', path: at('/api/v1/chat/keys'), good: 200 },
  'PUT /api/v1/chat/keys/:provider': { access: 'user', path: at('/api/v1/chat/keys/openai'), body: { key: 'sk-a-key' }, good: 200 },
  'DELETE /api/v1/chat/keys/:provider': { access: 'user', path: at('/api/v1/chat/keys/openai'), good: 404 },
  'GET /api/v1/chat/models/inspect': { access: 'admin', path: at('/api/v1/chat/models/inspect?source=no-source'), query: ['source'], good: 400 },
  'POST /api/v1/chat/models/pull': { access: 'admin', path: at('/api/v1/chat/models/pull'), body: { source: 'no-source', sha256: 'a'.repeat(64) }, good: 400 },
  'GET /api/v1/chat/models/pulls': { access: 'admin', path: at('/api/v1/chat/models/pulls'), good: 200 },
  'POST /api/v1/chat/models/pulls/:pull_id/cancel': { access: 'admin', path: at('/api/v1/chat/models/pulls/none/cancel'), good: 404 },
  'POST /api/v1/chat/models/pulls/:pull_id/resume': { access: 'admin', path: at('/api/v1/chat/models/pulls/none/resume'), good: 404 },
  'DELETE /api/v1/chat/models/files/:file_name': { access: 'admin', path: at('/api/v1/chat/models/files/none.gguf'), good: 404 },
  'GET /api/v1/chat/usage': { access: 'user', path: at('/api/v1/chat/usage'), query: ['group_by', 'from', 'to', 'user_id'], good: 200 },
  'GET /api/v1/chat/budgets': { access: 'user', path: at('/api/v1/chat/budgets'), query: ['user_id'], good: 200 },
  'PUT /api/v1/chat/budgets/:subject/:subject_id/:period': { access: 'admin', path: at('/api/v1/chat/budgets/users/none/day'), body: { requests: 5, tokens: 1000, cost_usd: 0.5 }, good: 404 },
  'DELETE /api/v1/chat/budgets/:subject/:subject_id/:period': { access: 'admin', path: at('/api/v1/chat/budgets/keys/none/month'), good: 404 },
};

/** Events of the ultimate dialect, over Socket.IO and over plain frames. */
export const agentEvents: Record<string, (made: Chat) => Record<string, unknown>> = {
  start_conversation: () => ({ user_id: 'user123', model_type: 'technical', backend_model: 'stand-in/gpt-4o' }),
  chat_message: ({ chatId }) => ({ conversation_id: chatId, message: 'Hello?', model: 'technical', backend_model: 'stand-in/gpt-4o' }),
  get_conversation_history: ({ chatId }) => ({ conversation_id: chatId, limit: 50 }),
  get_comprehensive_health: () => ({}),
  get_p2p_status: () => ({}),
  start_distributed_inference: ({ chatId }) => ({ model: 'transformer', input: 'Hello', priority: 8, consensus_required: true, conversation_id: chatId }),
  join_p2p_network: () => ({ bootstrap_nodes: ['node1.example.com:4001'] }),
  subscribe_ai_metrics: () => ({ interval_seconds: 5, include_distributed: true }),
  unsubscribe_ai_metrics: () => ({}),
  get_blockchain_analytics: () => ({ timeframe: '1h' }),
  voice_message: ({ chatId }) => ({ audio_data: 'GkXfow==', conversation_id: chatId, format: 'webm' }),
};

/** A good payload of each event of Socket.IO's main namespace. */
export const eventTable: Record<string, (made: Chat) => Record<string, unknown>> = {
  join_conversation: ({ chatId }) => ({ conversation_id: chatId, stream: true }),
  leave_conversation: ({ chatId }) => ({ conversation_id: chatId }),
  send_message: ({ chatId }) => ({ conversation_id: chatId, content: 'Hello?', model: 'parley', provider: 'builtin' }),
  typing_indicator: ({ chatId }) => ({ conversation_id: chatId, is_typing: true }),
  attach_answer: ({ answerId }) => ({ message_id: answerId, after: 0 }),
  cancel_answer: ({ answerId }) => ({ message_id: answerId }),
  ...agentEvents,
};

/** A good frame of each type that a client may send, by the address of its socket. */
export const frameTable: Record<string, Record<string, (made: Chat) => Record<string, unknown>>> = {
  '/api/v1/chat/chats/:chat_id/ws': {
    ping: () => ({ type: 'ping', timestamp: '2024-01-01T12:00:00Z' }),
    heartbeat: () => ({ type: 'heartbeat', timestamp: '2024-01-01T12:00:00Z' }),
    cancel: ({ answerId }) => ({ type: 'cancel', message_id: answerId }),
    attach: ({ answerId }) => ({ type: 'attach', message_id: answerId, after_seq: 0 }),
  },
  '/api/chat/ws/:user_id': {
    message: ({ chatId }) => ({ message: 'Hello?', timestamp: '2025-12-06T10:30:00Z', session_id: chatId, save_to_memory: true, stream: true }),
    attach: ({ chatId }) => ({ type: 'attach', message_id: 2, session_id: chatId, after: 0 }),
    cancel: ({ chatId }) => ({ type: 'cancel', message_id: 2, session_id: chatId }),
    heartbeat: () => ({ type: 'heartbeat', timestamp: '2025-12-06T10:30:00Z' }),
  },
  '/socket.io/': Object.fromEntries(Object.entries(agentEvents).map(([type, data]) => [type, (made: Chat) => ({ type, data: data(made) })])),
};
