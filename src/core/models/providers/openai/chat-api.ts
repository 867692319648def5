import type { Clock } from '../../../../base/clock.ts';
import type { CallOptions, EmbedRequest, EmbedResult, ModelInfo, ModelProvider, ModelRequest, ProviderState, ReplyError, ReplyEvent } from '../../types.ts';
import { callJson, createHttpClient, failedReply, parseAddress, ReplyFault, statusError, streamReply, toParleyError, unreadable, wholePatience, type Address, type HttpRequest, type Service } from '../../wire/index.ts';
import { asParleyError, ParleyError } from '../../../../base/errors.ts';
import { draw } from './drawing.ts';
import { readStatusError } from './errors.ts';
import { toChatBody, type ChatForm } from './messages.ts';
import { createChatReplyReader, createCompletionReader } from './reply.ts';

/** What tells one server of this form from another. */
export interface ChatApiOptions {
  id: string;
  kind: 'openai' | 'openai-compatible';
  /** As a person knows it. */
  label: string;
  baseUrl: string;
  needsKey: boolean;
  /** Milliseconds without a byte after which a call fails. */
  timeoutMs: number;
  clock: Clock;
  maxTokensField(model: string): ChatForm['maxTokensField'];
  /** Whether settings are sent that OpenAI's own service lacks. */
  takesExtensions: boolean;
  /** Why a request cannot be sent at all; null when it can. */
  refusal(request: ModelRequest): ReplyError | null;
  /** What an entry of the model list says; null leaves the model out. */
  describe(entry: ModelEntry): Pick<ModelInfo, 'kinds' | 'contextLength'> | null;
  /** Whether the server draws pictures (POST /images/generations). */
  draws: boolean;
  /** Whether the server may do without GET /models. */
  isListOptional: boolean;
  /** How a person adds this server, for the set-up page. */
  howToAdd: string;
}

/** An entry of GET /models; servers add fields of their own. */
export interface ModelEntry {
  id: string;
  [field: string]: unknown;
}

/** Models read of one list, at most. */
const maxModels = 5000;
/** Texts embedded in one call; OpenAI takes 2048, smaller servers fewer. */
const embedBatch = 256;

/** A provider for a server with OpenAI's chat, embeddings and models endpoints. */
export function createChatApi(options: ChatApiOptions): ModelProvider {
  const address = parseAddress(options.baseUrl);
  const client = createHttpClient(options.timeoutMs);
  const location = address.isLoopback ? 'local' : 'remote';
  // A few older servers refuse `stream_options`; the one that did is not asked again.
  let includeUsage = true;

  const service = (apiKey: string | null): Service => ({
    client,
    label: options.label,
    host: address.host,
    readError: (status, body, answer) => {
      if (status === 400 && body.includes('stream_options')) includeUsage = false;
      return readStatusError(status, body, answer.headers, options.clock.now(), { label: options.label, apiKey });
    },
  });
  const request = (method: 'GET' | 'POST', path: string, call: CallOptions, body?: string): HttpRequest => requestTo(address, method, path, call, body);
  const ask = async (method: 'GET' | 'POST', path: string, call: CallOptions, body?: string, timeoutMs?: number): Promise<unknown> => {
    if (!isSendable(call.apiKey)) throw toParleyError(statusError(401, options.label, ''));
    return callJson(service(call.apiKey), { ...request(method, path, call, body), ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  };
  // A picture takes its time, and nothing comes before it is there.
  const askToDraw = (body: string, call: CallOptions): Promise<unknown> => ask('POST', '/images/generations', call, body, options.timeoutMs * wholePatience);

  const stream = (question: ModelRequest, call: CallOptions): AsyncGenerator<ReplyEvent[]> => {
    const reading = { label: options.label, apiKey: call.apiKey };
    if (!isSendable(call.apiKey)) return failedReply(statusError(401, options.label, ''));
    const refused = options.refusal(question);
    if (refused) return failedReply(refused);
    const form = { maxTokensField: options.maxTokensField(question.model), takesExtensions: options.takesExtensions };
    const patience = question.whole ? { timeoutMs: options.timeoutMs * wholePatience } : {};
    const post = (): HttpRequest => ({ ...request('POST', '/chat/completions', call, toChatBody(question, { ...form, includeUsage })), ...patience });
    const askedForUsage = includeUsage && !question.whole;
    return streamReply({
      service: service(call.apiKey),
      request: post(),
      // What a server sends counts, not what it was asked for: some stream always, others never.
      createReader: (contentType) => {
        const isDocument = contentType.includes('application/json') || (question.whole && !contentType.includes('event-stream'));
        return isDocument ? createCompletionReader(reading) : createChatReplyReader(reading);
      },
      instead: () => (askedForUsage && !includeUsage ? post() : null),
    });
  };

  const models = async (call: CallOptions): Promise<ModelInfo[]> => {
    try {
      return readModels(await ask('GET', '/models', call), options, location);
    } catch (thrown) {
      const status = thrown instanceof ParleyError && thrown.cause instanceof ReplyFault ? thrown.cause.error.status : undefined;
      // Some servers chat but have no list; their models are named in full.
      if (options.isListOptional && status !== undefined && [404, 405, 501].includes(status)) return [];
      throw thrown;
    }
  };

  return {
    id: options.id,
    kind: options.kind,
    location,
    needsKey: options.needsKey,
    stop: () => client.close(),
    stream,
    models,
    embed: (question, call) => embed(question, (body) => ask('POST', '/embeddings', call, body), options.label),
    ...(options.draws ? { draw: (question, call) => draw(question, call, askToDraw, options.label) } : {}),
    state: (call) => stateOf(options, address.host, call, models),
  };
}

function requestTo(address: Address, method: 'GET' | 'POST', path: string, call: CallOptions, body: string | undefined): HttpRequest {
  return {
    method,
    origin: address.origin,
    path: address.path + path,
    headers: {
      ...(call.apiKey === null ? {} : { authorization: `Bearer ${call.apiKey}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body }),
    signal: call.signal,
  };
}

/** A key with a line break or the like (a slip in copying) cannot be sent at all. */
function isSendable(apiKey: string | null): boolean {
  return apiKey === null || /^[\x21-\x7e]+$/.test(apiKey);
}

function readModels(answer: unknown, options: ChatApiOptions, location: ModelInfo['location']): ModelInfo[] {
  const holder = answer as { data?: unknown } | unknown[] | null;
  const entries = Array.isArray(holder) ? holder : holder?.data;
  if (!Array.isArray(entries)) throw toParleyError(unreadable(options));
  const models: ModelInfo[] = [];
  for (const entry of entries.slice(0, maxModels) as (Partial<ModelEntry> | null)[]) {
    if (typeof entry?.id !== 'string' || entry.id === '' || entry.id.length > 200) continue;
    const described = options.describe(entry as ModelEntry);
    if (!described || described.kinds.length === 0) continue;
    models.push({
      id: `${options.id}/${entry.id}`,
      provider: options.id,
      model: entry.id,
      label: entry.id,
      ...described,
      location,
      sizeBytes: null,
      createdAt: typeof entry['created'] === 'number' ? entry['created'] * 1000 : null,
    });
  }
  return models;
}

async function embed(question: EmbedRequest, call: (body: string) => Promise<unknown>, label: string): Promise<EmbedResult> {
  const vectors: Float32Array[] = [];
  let tokensIn: number | null = 0;
  for (let from = 0; from < question.texts.length; from += embedBatch) {
    const input = question.texts.slice(from, from + embedBatch);
    const answer = (await call(JSON.stringify({ model: question.model, input, encoding_format: 'float', dimensions: question.dimensions }))) as {
      data?: { index?: unknown; embedding?: unknown }[] | null;
      usage?: { prompt_tokens?: unknown } | null;
    } | null;
    const rows = Array.isArray(answer?.data) ? answer.data : [];
    const batch = input.map((_text, index) => rows.find((row) => row?.index === index) ?? rows[index]);
    for (const row of batch) vectors.push(readVector(row?.embedding, label));
    const tokens = answer?.usage?.prompt_tokens;
    tokensIn = typeof tokens === 'number' && tokensIn !== null ? tokensIn + tokens : null;
  }
  return { vectors, tokensIn };
}

/** A vector as numbers, or as base64 of little-endian 32-bit floats, which some servers send whatever was asked. */
function readVector(value: unknown, label: string): Float32Array {
  if (Array.isArray(value) && value.length > 0 && value.every((number) => typeof number === 'number')) return Float32Array.from(value as number[]);
  if (typeof value === 'string' && value !== '') {
    const bytes = Buffer.from(value, 'base64');
    if (bytes.length >= 4 && bytes.length % 4 === 0) return Float32Array.from({ length: bytes.length / 4 }, (_item, index) => bytes.readFloatLE(index * 4));
  }
  throw toParleyError(unreadable({ label }));
}

async function stateOf(options: ChatApiOptions, host: string, call: CallOptions, models: (call: CallOptions) => Promise<ModelInfo[]>): Promise<ProviderState> {
  const { label, howToAdd } = options;
  if (options.needsKey && call.apiKey === null) return { state: 'needs-key', detail: `${label} needs an API key, and none is set.`, howToAdd };
  try {
    const found = await models(call);
    const count = found.length === 1 ? 'one model' : `${found.length} models`;
    return { state: 'ready', detail: found.length > 0 ? `${label} at ${host} offers ${count}.` : `${label} at ${host} answers, but lists no models: name one as ${options.id}/NAME.`, howToAdd: '' };
  } catch (thrown) {
    const error: ParleyError = asParleyError(thrown);
    return { state: error.code === 'provider_unavailable' ? 'absent' : 'error', detail: error.message, howToAdd };
  }
}
