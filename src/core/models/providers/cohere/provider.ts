import type { Clock } from '../../../../base/clock.ts';
import type { CallOptions, ModelInfo, ModelProvider, ModelRequest, ReplyEvent } from '../../types.ts';
import { bearer, createCaller, embedInBatches, failedReply, pageSize, readPages, streamReply, toParleyError, unreadable, wholePatience, type Caller } from '../../wire/index.ts';
import { readEmbeddings, toEmbedBody } from './embeddings.ts';
import { readStatusError } from './errors.ts';
import { toChatBody } from './messages.ts';
import { capabilitiesOf, kindsOf, refusal, type ModelEntry } from './options.ts';
import { createChatReader, createChatReplyReader } from './reply.ts';

export interface CohereOptions {
  /** Such as https://api.cohere.com. @throws {Error} from the constructor when it is no http(s) URL */
  baseUrl: string;
  /** Milliseconds without a byte after which a call fails. */
  timeoutMs: number;
  clock: Clock;
}

const label = 'Cohere';
/** Texts embedded in one call: the service takes no more. */
const embedBatch = 96;

/** Cohere, by its chat API in the second version. Calls need a key. */
export function createCohereProvider(options: CohereOptions): ModelProvider {
  const caller = createCaller({
    ...options,
    id: 'cohere',
    label,
    // Its own clients name the address with or without the version: both mean the same.
    baseUrl: options.baseUrl.replace(/\/v[12]\/?$/, ''),
    needsKey: true,
    headers: bearer,
    readError: readStatusError,
    howToAdd: 'Set COHERE_API_KEY before the start, add a key in Settings, or run `parley key add cohere`.',
  });

  const stream = (question: ModelRequest, call: CallOptions): AsyncGenerator<ReplyEvent[]> => {
    const refused = caller.refusedKey(call.apiKey) ?? refusal(question);
    if (refused) return failedReply(refused);
    const reading = { label, apiKey: call.apiKey };
    return streamReply({
      service: caller.service(call.apiKey),
      request: { ...caller.request('POST', '/v2/chat', call, toChatBody(question)), ...(question.whole ? { timeoutMs: options.timeoutMs * wholePatience } : {}) },
      createReader: () => (question.whole ? createChatReader(reading) : createChatReplyReader(reading)),
    });
  };
  const models = (call: CallOptions): Promise<ModelInfo[]> => listModels(caller, call);

  return {
    id: 'cohere',
    kind: 'cohere',
    location: caller.location,
    needsKey: true,
    stop: () => caller.close(),
    stream,
    models,
    embed: ({ model, texts, dimensions }, call) => embedInBatches(texts, embedBatch, label, async (batch) =>
      readEmbeddings(await caller.ask('POST', '/v2/embed', call, toEmbedBody(model, batch, dimensions)), batch.length)),
    state: (call) => caller.state(call, models),
  };
}

/** The list is still part of the first version of the API. */
async function listModels(caller: Caller, call: CallOptions): Promise<ModelInfo[]> {
  const models = await readPages(async (mark) => {
    const path = `/v1/models?page_size=${pageSize}${mark === '' ? '' : `&page_token=${encodeURIComponent(mark)}`}`;
    const answer = (await caller.ask('GET', path, call)) as { models?: unknown; next_page_token?: unknown } | null;
    if (!Array.isArray(answer?.models)) throw toParleyError(unreadable({ label }));
    return { entries: (answer.models as (Partial<ModelEntry> | null)[]).flatMap((entry) => describe(entry, caller) ?? []), next: answer.next_page_token };
  });
  return [...new Map(models.map((model) => [model.id, model])).values()];
}

/** A model of the list; null for those that are of no use here. */
function describe(listed: Partial<ModelEntry> | null, caller: Caller): ModelInfo | null {
  if (typeof listed?.name !== 'string') return null;
  const entry = listed as ModelEntry;
  const { name, context_length: length } = entry;
  const kinds = kindsOf(entry);
  if (name === '' || name.length > 200 || kinds.length === 0) return null;
  return {
    id: `cohere/${name}`,
    provider: 'cohere',
    model: name,
    label: name,
    kinds,
    location: caller.location,
    contextLength: typeof length === 'number' && Number.isInteger(length) && length > 0 ? length : null,
    sizeBytes: null,
    createdAt: null,
    details: {
      format: null, architecture: null, parameterSize: null, quantisation: null, licence: null, trainedTokens: null, embeddingLength: null, sha256: null,
      capabilities: capabilitiesOf(entry),
    },
  };
}
