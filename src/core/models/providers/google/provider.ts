import type { Clock } from '../../../../base/clock.ts';
import type { CallOptions, ModelInfo, ModelProvider, ModelRequest, ReplyEvent } from '../../types.ts';
import { createCaller, embedInBatches, failedReply, pageSize, readPages, streamReply, toParleyError, unreadable, wholePatience, type Caller } from '../../wire/index.ts';
import { toEmbedBody, readEmbeddings } from './embeddings.ts';
import { readStatusError } from './errors.ts';
import { toGenerateBody } from './messages.ts';
import { kindsOf, refusal, type ModelEntry } from './options.ts';
import { createGenerateReader, createGenerateReplyReader } from './reply.ts';
import { createSignatures } from './signatures.ts';

export interface GoogleOptions {
  /** Such as https://generativelanguage.googleapis.com. @throws {Error} from the constructor when it is no http(s) URL */
  baseUrl: string;
  /** Milliseconds without a byte after which a call fails. */
  timeoutMs: number;
  clock: Clock;
}

const label = 'Google';
/** The version of the API: the one with the newer models' settings. */
const version = '/v1beta';
/** Texts embedded in one call: the service takes no more. */
const embedBatch = 100;

/** Google, by its Gemini API. Calls need a key. */
export function createGoogleProvider(options: GoogleOptions): ModelProvider {
  const caller = createCaller({
    ...options,
    id: 'google',
    label,
    // Its own clients name the address without the version; whoever writes it with one means the same.
    baseUrl: options.baseUrl.replace(/\/v1(beta)?\/?$/, ''),
    needsKey: true,
    headers: (apiKey): Record<string, string> => (apiKey === null ? {} : { 'x-goog-api-key': apiKey }),
    readError: readStatusError,
    howToAdd: 'Set GOOGLE_API_KEY before the start, add a key in Settings, or run `parley key add google`.',
  });
  const signatures = createSignatures();

  const stream = (question: ModelRequest, call: CallOptions): AsyncGenerator<ReplyEvent[]> => {
    const refused = caller.refusedKey(call.apiKey) ?? refusal(question);
    if (refused) return failedReply(refused);
    const userId = call.userId ?? '';
    const body = toGenerateBody(question, (callId) => signatures.find(userId, question.model, callId));
    const method = question.whole ? ':generateContent' : ':streamGenerateContent?alt=sse';
    const reading = { label, apiKey: call.apiKey, keepSignature: (callId: string, signature: string) => signatures.keep(userId, question.model, callId, signature) };
    return streamReply({
      service: caller.service(call.apiKey),
      request: {
        ...caller.request('POST', pathOf(question.model) + method, call, body),
        ...(question.whole ? { timeoutMs: options.timeoutMs * wholePatience } : {}),
      },
      createReader: () => (question.whole ? createGenerateReader(reading) : createGenerateReplyReader(reading)),
    });
  };
  const models = (call: CallOptions): Promise<ModelInfo[]> => listModels(caller, call);

  return {
    id: 'google',
    kind: 'google',
    location: caller.location,
    needsKey: true,
    stop: () => caller.close(),
    stream,
    models,
    embed: ({ model, texts, dimensions }, call) => embedInBatches(texts, embedBatch, label, async (batch) =>
      readEmbeddings(await caller.ask('POST', `${pathOf(model)}:batchEmbedContents`, call, toEmbedBody(model, batch, dimensions)), batch.length, dimensions !== undefined)),
    state: (call) => caller.state(call, models),
  };
}

function pathOf(model: string): string {
  return `${version}/models/${encodeURIComponent(model)}`;
}

async function listModels(caller: Caller, call: CallOptions): Promise<ModelInfo[]> {
  const models = await readPages(async (mark) => {
    const path = `${version}/models?pageSize=${pageSize}${mark === '' ? '' : `&pageToken=${encodeURIComponent(mark)}`}`;
    const answer = (await caller.ask('GET', path, call)) as { models?: unknown; nextPageToken?: unknown } | null;
    // The service leaves empty lists out.
    const entries = answer?.models ?? [];
    if (typeof answer !== 'object' || answer === null || !Array.isArray(entries)) throw toParleyError(unreadable({ label }));
    return { entries: (entries as (Partial<ModelEntry> | null)[]).flatMap((entry) => describe(entry, caller) ?? []), next: answer.nextPageToken };
  });
  return [...new Map(models.map((model) => [model.id, model])).values()];
}

/** A model of the list; null for those that are of no use here. */
function describe(listed: Partial<ModelEntry> | null, caller: Caller): ModelInfo | null {
  if (typeof listed?.name !== 'string') return null;
  const entry = listed as ModelEntry;
  const model = entry.name.replace(/^models\//, '');
  const kinds = kindsOf(entry);
  if (model === '' || model.length > 200 || model.includes('/') || kinds.length === 0) return null;
  const { displayName, inputTokenLimit: limit } = entry;
  return {
    id: `google/${model}`,
    provider: 'google',
    model,
    label: typeof displayName === 'string' && displayName !== '' ? displayName.slice(0, 200) : model,
    kinds,
    location: caller.location,
    contextLength: typeof limit === 'number' && Number.isInteger(limit) && limit > 0 ? limit : null,
    sizeBytes: null,
    createdAt: null,
    ...(kinds.includes('chat') ? { details: detailsOf(model, entry) } : {}),
  };
}

/** All Gemini models see pictures and call tools; of others the list says nothing. */
function detailsOf(model: string, { thinking }: ModelEntry): NonNullable<ModelInfo['details']> {
  const isGemini = model.startsWith('gemini-');
  const thinks = thinking === true ? (['thinking'] as const) : [];
  return {
    format: null, architecture: null, parameterSize: null, quantisation: null, licence: null, trainedTokens: null, embeddingLength: null, sha256: null,
    capabilities: isGemini ? ['tools', 'vision', ...thinks] : null,
  };
}
