import type { Clock } from '../../../../base/clock.ts';
import type { CallOptions, ModelInfo, ModelProvider, ModelRequest, ReplyError, ReplyEvent } from '../../types.ts';
import { createCaller, failedReply, pageSize, readPages, streamReply, toParleyError, unreadable, wholePatience, type Caller, type HttpRequest } from '../../wire/index.ts';
import { readStatusError, roomFor } from './errors.ts';
import { blankEnd, toWireBody, type Without } from './messages.ts';
import { refusal, traitsByName, traitsOf, type ModelEntry, type ModelTraits } from './options.ts';
import { createMessageReader, createMessageReplyReader } from './reply.ts';

export interface AnthropicOptions {
  /** Such as https://api.anthropic.com. @throws {Error} from the constructor when it is no http(s) URL */
  baseUrl: string;
  /** Milliseconds without a byte after which a call fails. */
  timeoutMs: number;
  clock: Clock;
}

const label = 'Anthropic';
/** The version of the API whose form is spoken here. */
const apiVersion = '2023-06-01';

/** Anthropic, by its Messages API. Calls need a key. */
export function createAnthropicProvider(options: AnthropicOptions): ModelProvider {
  const caller = createCaller({
    ...options,
    id: 'anthropic',
    label,
    // Its own clients name the address without /v1; whoever writes it with /v1 means the same.
    baseUrl: options.baseUrl.replace(/\/v1\/?$/, ''),
    needsKey: true,
    headers: (apiKey) => ({ 'anthropic-version': apiVersion, ...(apiKey === null ? {} : { 'x-api-key': apiKey }) }),
    readError: readStatusError,
    howToAdd: 'Set ANTHROPIC_API_KEY before the start, add a key in Settings, or run `parley key add anthropic`.',
  });
  /** What the list said of each model, when it was last read. */
  let listed: ReadonlyMap<string, ModelTraits> = new Map();
  /** What models refused that their version does not tell. */
  const refused = new Map<string, Without>();

  const stream = (question: ModelRequest, call: CallOptions): AsyncGenerator<ReplyEvent[]> => {
    const unsendable = caller.refusedKey(call.apiKey);
    if (unsendable) return failedReply(unsendable);
    const traits = listed.get(question.model) ?? traitsByName(question.model);
    const impossible = refusal(question, traits);
    if (impossible) return failedReply(impossible);
    const patience = question.whole ? { timeoutMs: options.timeoutMs * wholePatience } : {};
    const post = (asked = question): HttpRequest => ({ ...caller.request('POST', '/v1/messages', call, toWireBody(asked, traits, refused.get(question.model))), ...patience });
    const reading = { label, apiKey: call.apiKey, blankEnd: blankEnd(question, traits) };
    return streamReply({
      service: caller.service(call.apiKey),
      request: post(),
      createReader: (contentType) => (contentType.includes('application/json') || (question.whole && !contentType.includes('event-stream')) ? createMessageReader(reading) : createMessageReplyReader(reading)),
      instead(error) {
        const maxTokens = roomFor(error);
        if (maxTokens !== null) return post({ ...question, maxTokens });
        return noteRefused(refused, question, error) ? post() : null;
      },
    });
  };

  const models = async (call: CallOptions): Promise<ModelInfo[]> => {
    const entries = await listModels(caller, call);
    listed = new Map(entries.map((entry) => [entry.id, traitsOf(entry)]));
    return entries.map((entry) => describe(entry, listed.get(entry.id)!, caller.location));
  };

  return {
    id: 'anthropic',
    kind: 'anthropic',
    location: caller.location,
    needsKey: true,
    stop: () => caller.close(),
    stream,
    models,
    state: (call) => caller.state(call, models),
  };
}

/** Models remembered for what they refuse. */
const mostRefused = 1000;

/**
 * Notes what a model refused that can be done without: hints (the temperature), and schemas, which are checked here, too.
 * False when there is nothing new.
 */
function noteRefused(refused: Map<string, Without>, { model, temperature, topP, topK, responseFormat, tools }: ModelRequest, error: ReplyError): boolean {
  const before = refused.get(model) ?? {};
  const isHint = error.parameter === 'temperature' && temperature !== undefined && (topP === undefined || topP === 1) && topK === undefined;
  const isSchema = error.parameter === 'response_format' && (responseFormat !== undefined || tools?.some((tool) => tool.strict) === true);
  if (error.code !== 'unsupported_value' || !((isHint && !before.sampling) || (isSchema && !before.schemas))) return false;
  if (refused.size >= mostRefused) refused.clear();
  refused.set(model, { ...before, ...(isHint ? { sampling: true } : { schemas: true }) });
  return true;
}

/** All models, the newest first. */
async function listModels(caller: Caller, call: CallOptions): Promise<ModelEntry[]> {
  const entries = await readPages(async (mark) => {
    const path = `/v1/models?limit=${pageSize}${mark === '' ? '' : `&after_id=${encodeURIComponent(mark)}`}`;
    const answer = (await caller.ask('GET', path, call)) as { data?: unknown; has_more?: unknown; last_id?: unknown } | null;
    if (!Array.isArray(answer?.data)) throw toParleyError(unreadable({ label }));
    const listed = (answer.data as (Partial<ModelEntry> | null)[]).flatMap((entry) =>
      (typeof entry?.id === 'string' && entry.id !== '' && entry.id.length <= 200 ? [entry as ModelEntry] : []));
    return { entries: listed, next: answer.has_more === true ? answer.last_id : null };
  });
  return [...new Map(entries.map((entry) => [entry.id, entry])).values()];
}

function describe(entry: ModelEntry, traits: ModelTraits, location: ModelInfo['location']): ModelInfo {
  const createdAt = typeof entry.created_at === 'string' ? Date.parse(entry.created_at) : NaN;
  return {
    id: `anthropic/${entry.id}`,
    provider: 'anthropic',
    model: entry.id,
    label: typeof entry.display_name === 'string' && entry.display_name !== '' ? entry.display_name.slice(0, 200) : entry.id,
    kinds: ['chat'],
    location,
    contextLength: traits.contextLength,
    sizeBytes: null,
    // The service writes the beginning of time where it does not know.
    createdAt: createdAt > 0 ? createdAt : null,
    details: {
      format: null, architecture: null, parameterSize: null, quantisation: null, licence: null, trainedTokens: null, embeddingLength: null, sha256: null,
      capabilities: ['tools', ...(traits.seesPictures ? (['vision'] as const) : []), ...(traits.thinking === 'none' ? [] : (['thinking'] as const))],
    },
  };
}
