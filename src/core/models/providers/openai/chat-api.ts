import type { Clock } from '../../../../base/clock.ts';
import { ParleyError } from '../../../../base/errors.ts';
import type { CallOptions, ModelInfo, ModelProvider, ModelRequest, ReplyError, ReplyEvent } from '../../types.ts';
import { bearer, createCaller, embedInBatches, failedReply, ReplyFault, streamReply, toParleyError, unreadable, wholePatience, type HttpRequest } from '../../wire/index.ts';
import { draw } from './drawing.ts';
import { readEmbeddings, toEmbedBody } from './embeddings.ts';
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
  // A few older servers refuse `stream_options`; the one that did is not asked again.
  let includeUsage = true;
  const caller = createCaller({
    ...options,
    headers: bearer,
    readError: readStatusError,
  });
  /** Notes that a server refuses `stream_options`: its error names them, and the question put no such words into its mouth. */
  const noteRefusal = (status: number, body: string, question: ModelRequest): void => {
    const isNamed = (status === 400 || status === 422) && body.includes('stream_options');
    if (isNamed && !question.whole && !JSON.stringify(question).includes('stream_options')) includeUsage = false;
  };

  const stream = (question: ModelRequest, call: CallOptions): AsyncGenerator<ReplyEvent[]> => {
    const refused = caller.refusedKey(call.apiKey) ?? options.refusal(question);
    if (refused) return failedReply(refused);
    const reading = { label: options.label, apiKey: call.apiKey };
    const form = { maxTokensField: options.maxTokensField(question.model), takesExtensions: options.takesExtensions };
    const patience = question.whole ? { timeoutMs: options.timeoutMs * wholePatience } : {};
    const post = (): HttpRequest => ({ ...caller.request('POST', '/chat/completions', call, toChatBody(question, { ...form, includeUsage })), ...patience });
    const service = caller.service(call.apiKey);
    const askedForUsage = includeUsage && !question.whole;
    return streamReply({
      service: {
        ...service,
        readError(status, body, answer) {
          noteRefusal(status, body, question);
          return service.readError(status, body, answer);
        },
      },
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
      return readModels(await caller.ask('GET', '/models', call), options, caller.location);
    } catch (thrown) {
      const status = thrown instanceof ParleyError && thrown.cause instanceof ReplyFault ? thrown.cause.error.status : undefined;
      // Some servers chat but have no list; their models are named in full.
      if (options.isListOptional && status !== undefined && [404, 405, 501].includes(status)) return [];
      throw thrown;
    }
  };
  // A picture takes its time, and nothing comes before it is there.
  const askToDraw = (body: string, call: CallOptions): Promise<unknown> => caller.ask('POST', '/images/generations', call, body, options.timeoutMs * wholePatience);

  return {
    id: options.id,
    kind: options.kind,
    location: caller.location,
    needsKey: options.needsKey,
    stop: () => caller.close(),
    stream,
    models,
    embed: ({ model, texts, dimensions }, call) => embedInBatches(texts, embedBatch, options.label, async (batch) =>
      readEmbeddings(await caller.ask('POST', '/embeddings', call, toEmbedBody(model, batch, dimensions)), batch.length)),
    ...(options.draws ? { draw: (question, call) => draw(question, call, askToDraw, options.label) } : {}),
    state: (call) => caller.state(call, models),
  };
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
