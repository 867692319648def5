import type { Clock } from '../../../../base/clock.ts';
import type { CallOptions, ModelInfo, ModelProvider, ModelRequest, ReplyError, ReplyEvent } from '../../types.ts';
import { createHttpClient, failedReply, HttpFault, parseAddress, replyErrorOf, ReplyFault, statusError, streamReply, toReplyError, wholePatience, type HttpClient, type Service } from '../../wire/index.ts';
import { refusal } from '../openai/options.ts';
import { readServiceError, withoutSecrets } from './errors.ts';
import { toQuestion, type Connection } from './messages.ts';
import { innerOf, langchainId } from './options.ts';
import { createServiceAnswerReader, createServiceStreamReader, label } from './reply.ts';
import type { LangchainService, ServiceAddress, ServiceHealth } from './types.ts';

/** How the service asks for models that are not OpenAI's: it calls this server back. */
export interface CallBack {
  /** Base URL of this server's own /v1, as the service reaches it. */
  baseUrl(): string;
  /** A credential for one such call on behalf of a user. `revoke` ends it. */
  credential(userId: string): { token: string; revoke(): void };
}

export interface LangchainOptions {
  service: LangchainService;
  /** OpenAI itself: the service asks at the same address, with the same keys, for the same models. */
  openai: ModelProvider;
  /** Its base URL. */
  openaiBaseUrl: string;
  callBack: CallBack;
  /** Milliseconds without a byte of the model service after which a call fails. */
  timeoutMs: number;
  /** Milliseconds without a sign of life of the LangChain service after which it counts as hung. Default 10,000. */
  silenceMs?: number;
  /** Milliseconds a health probe may take. Default 5000. */
  probeMs?: number;
  /** Whether answers may be streamed; else each comes in one piece. */
  streaming: boolean;
  clock: Clock;
}

/** A provider that asks by way of the LangChain service, and can be asked how the service is. */
export interface LangchainProvider extends ModelProvider {
  readonly service: Pick<LangchainService, 'address' | 'isRunning'>;
  /** Asks the service how it is; starts it when it does not run. Says nothing to any breaker. Never throws. */
  probe(): Promise<ServiceHealth>;
  /** The last real contact with the service, by a call or a probe; null when there was none. */
  lastContact(): ServiceHealth | null;
}

/** Models of other providers, asked through the LangChain service. Each call is one call: nothing is tried again on the way. */
export function createLangchainProvider(options: LangchainOptions): LangchainProvider {
  return new Langchain(options);
}

class Langchain implements LangchainProvider {
  readonly id = langchainId;
  readonly kind = 'langchain';
  readonly location = 'remote';
  readonly needsKey = false;
  readonly triesOnce = true;
  readonly service: LangchainService;
  private readonly options: LangchainOptions;
  private readonly client: HttpClient;
  private contact: ServiceHealth | null = null;

  constructor(options: LangchainOptions) {
    parseAddress(options.openaiBaseUrl);
    this.options = options;
    this.service = options.service;
    this.client = createHttpClient(options.silenceMs ?? 10_000);
  }

  async stop(): Promise<void> {
    await this.client.close();
    await this.service.stop();
  }

  async models(call: CallOptions): Promise<ModelInfo[]> {
    const models = await this.options.openai.models(call);
    return models.filter(({ kinds }) => kinds.includes('chat')).map((info) => ({ ...info, id: `${langchainId}/${info.id}`, provider: langchainId, model: info.id }));
  }

  async state(call: CallOptions) {
    if (call.apiKey === null) return { state: 'ready' as const, detail: 'Models of all providers can be asked through LangChain, as langchain/PROVIDER/MODEL.', howToAdd: '' };
    const behind = await this.options.openai.state(call);
    return { ...behind, detail: `Through LangChain: ${behind.detail}` };
  }

  countTokens(model: string, text: string): Promise<number | null> {
    const inner = innerOf(model);
    return inner.provider === this.options.openai.id && this.options.openai.countTokens ? this.options.openai.countTokens(inner.model, text) : Promise.resolve(null);
  }

  async* stream(request: ModelRequest, call: CallOptions): AsyncGenerator<ReplyEvent[]> {
    const refused = this.refusalOf(request, call);
    if (refused) return yield* failedReply(refused);
    const letGo = this.service.hold();
    const { connection, model, prefix, end } = this.connect(request, call);
    try {
      const address = await this.reach(call.signal);
      if ('code' in address) return yield* failedReply(address);
      const isWhole = request.whole === true || !this.options.streaming;
      const body = toQuestion({ ...request, model, whole: isWhole }, connection);
      const secrets = [connection.apiKey, address.secret];
      const toShown = (event: ReplyEvent): ReplyEvent => {
        if (isName(event)) return { ...event, model: prefix + event.model };
        return event.type === 'error' ? { ...event, error: { ...event.error, message: withoutSecrets(event.error.message, secrets) } } : event;
      };
      for await (const batch of this.ask(address, isWhole, body, connection.timeoutMs, call.signal)) {
        yield batch.some(({ type }) => type === 'model' || type === 'error') ? batch.map(toShown) : batch;
      }
    } finally {
      letGo();
      end();
    }
  }

  /** A service that says nothing is ended, if it is ours: the next call finds a new one. */
  async ready(): Promise<ReplyError | null> {
    const health = await this.probe();
    if (health.ok) return null;
    if (health.isLate) this.service.reportSilence();
    return { code: 'provider_unavailable', message: health.error, serviceFault: true, ...(health.retryAfterMs === undefined ? {} : { retryAfterMs: health.retryAfterMs }) };
  }

  async probe(): Promise<ServiceHealth> {
    const { clock, probeMs = 5000 } = this.options;
    const letGo = this.service.hold();
    try {
      const address = await this.service.reach();
      const began = clock.monotonic();
      const answer = await this.client.open({ method: 'GET', origin: address.origin, path: `${address.path}/health`, headers: bearer(address), signal: AbortSignal.timeout(probeMs), timeoutMs: probeMs });
      const body = await answer.body.text(maxHealthBytes);
      if (answer.status !== 200) throw new ReplyFault(readServiceError(answer.status, body, answer.headers, clock.now(), [address.secret]));
      return this.note({ ok: true, responseTimeMs: Math.round((clock.monotonic() - began) * 100) / 100, at: clock.now() });
    } catch (thrown) {
      const isLate = thrown instanceof HttpFault && (thrown.kind === 'timeout' || thrown.kind === 'cancelled');
      const error = isLate ? `${label} did not answer within ${probeMs / 1000} s.` : toReplyError(thrown, label, this.service.address()).message;
      const { retryAfterMs } = replyErrorOf(thrown);
      return this.note({ ok: false, error, at: clock.now(), isLate, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
    } finally {
      letGo();
    }
  }

  lastContact(): ServiceHealth | null {
    return this.contact;
  }

  private note(contact: ServiceHealth): ServiceHealth {
    this.contact = contact;
    return contact;
  }

  /** Why it cannot be asked at all; null when it can. */
  private refusalOf(request: ModelRequest, { apiKey, userId }: CallOptions): ReplyError | null {
    const { provider } = innerOf(request.model);
    if (provider === '') return { code: 'model_not_found', message: `No model is named ${JSON.stringify(request.model.slice(0, 100))} with the provider in front.`, serviceFault: false };
    if (provider !== this.options.openai.id) {
      return userId === undefined ? { code: 'internal', message: 'Only users ask through the LangChain service.', serviceFault: false } : null;
    }
    if (apiKey === null) return { code: 'no_api_key', message: 'OpenAI needs an API key, and none is set for you.', serviceFault: false };
    // A key with a line break or the like cannot be sent at all.
    if (!/^[\x21-\x7e]+$/.test(apiKey)) return statusError(401, 'OpenAI', '');
    return refusal(request);
  }

  /** Where the service is to ask, and how a name that it says becomes an id. */
  private connect(request: ModelRequest, { apiKey, userId = '' }: CallOptions): Connected {
    const { openai, openaiBaseUrl, callBack } = this.options;
    const timeoutMs = this.options.timeoutMs * (request.whole ? wholePatience : 1);
    const inner = innerOf(request.model);
    if (inner.provider === openai.id) {
      return { connection: { baseUrl: openaiBaseUrl, apiKey: apiKey!, label: 'OpenAI', timeoutMs, takesExtensions: false }, model: inner.model, prefix: `${openai.id}/`, end: () => undefined };
    }
    const { token, revoke } = callBack.credential(userId);
    return { connection: { baseUrl: callBack.baseUrl(), apiKey: token, label: inner.provider, timeoutMs, takesExtensions: true }, model: request.model, prefix: '', end: revoke };
  }

  /** Where the service answers, or why it does not. */
  private async reach(signal: AbortSignal): Promise<ServiceAddress | ReplyError> {
    if (signal.aborted) return cancelled;
    const stop = Promise.withResolvers<ReplyError>();
    const abort = (): void => stop.resolve(cancelled);
    signal.addEventListener('abort', abort, { once: true });
    const reached = this.service.reach().catch((thrown: unknown) => {
      const error = replyErrorOf(thrown);
      this.note({ ok: false, error: error.message, at: this.options.clock.now() });
      return error;
    });
    try {
      return await Promise.race([reached, stop.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  private ask(address: ServiceAddress, isWhole: boolean, body: string, upstreamMs: number, signal: AbortSignal): AsyncGenerator<ReplyEvent[]> {
    const { clock } = this.options;
    const service: Service = {
      client: this.watchedClient(),
      label,
      host: this.service.address(),
      readError: (status, text, answer) => readServiceError(status, text, answer.headers, clock.now(), [address.secret]),
    };
    return streamReply({
      service,
      request: {
        method: 'POST', origin: address.origin, path: `${address.path}${isWhole ? '/chat' : '/stream'}`,
        headers: { 'content-type': 'application/json', ...bearer(address) }, body, signal,
        // A service that somebody else wrote may show no sign of life: then the silence of the model is its own.
        ...(this.service.isRunning() === null ? { timeoutMs: upstreamMs + probeGraceMs } : {}),
      },
      createReader: () => (isWhole ? createServiceAnswerReader() : createServiceStreamReader()),
    });
  }

  /** The client, noting how the service itself is: what goes wrong behind it comes as part of an answer. */
  private watchedClient(): HttpClient {
    const fail = (thrown: unknown): never => {
      if (thrown instanceof HttpFault && thrown.kind !== 'cancelled') {
        this.note({ ok: false, error: toReplyError(thrown, label, this.service.address()).message, at: this.options.clock.now() });
        if (thrown.kind === 'timeout') this.service.reportSilence();
      }
      throw thrown;
    };
    return {
      close: () => this.client.close(),
      open: async (request) => {
        const began = this.options.clock.monotonic();
        const answer = await this.client.open(request).catch(fail);
        const { body } = answer;
        this.note({ ok: true, responseTimeMs: Math.round((this.options.clock.monotonic() - began) * 100) / 100, at: this.options.clock.now() });
        return { ...answer, body: { next: () => body.next().catch(fail), text: (maxBytes) => body.text(maxBytes).catch(fail), release: () => body.release(), close: () => body.close() } };
      },
    };
  }
}

/** Most bytes of an answer to a probe. */
const maxHealthBytes = 65_536;
/** Milliseconds that a service elsewhere has to say that the model service was silent. */
const probeGraceMs = 5000;

const cancelled: ReplyError = { code: 'cancelled', message: 'The answer was cancelled.', serviceFault: false };

interface Connected {
  connection: Connection;
  model: string;
  /** What stands in front of the names that answers give their models. */
  prefix: string;
  end(): void;
}

function isName(event: ReplyEvent): event is Extract<ReplyEvent, { type: 'model' }> {
  return event.type === 'model';
}

function bearer({ secret }: ServiceAddress): Record<string, string> {
  return secret === '' ? {} : { authorization: `Bearer ${secret}` };
}
