import { asParleyError } from '../../../base/errors.ts';
import type { Clock } from '../../../base/clock.ts';
import type { CallOptions, ModelInfo, ProviderState, ReplyError } from '../types.ts';
import { parseAddress, type Address } from './address.ts';
import { callJson, type Service } from './call.ts';
import { createHttpClient, type HttpAnswer, type HttpRequest } from './client.ts';
import { statusError, toParleyError } from './faults.ts';

/** What answers and errors of a service are read with. */
export interface Reading {
  /** The service as a person knows it. */
  label: string;
  /** The key that was sent: never shown, whatever the service repeats of it. */
  apiKey: string | null;
}

/** A service as its calls need it. */
export interface CallerOptions {
  /** First part of the model ids. */
  id: string;
  label: string;
  /** @throws {Error} from the constructor when it is no http(s) URL */
  baseUrl: string;
  /** Whether calls need a key. */
  needsKey: boolean;
  /** Milliseconds without a byte after which a call fails. */
  timeoutMs: number;
  clock: Clock;
  /** The headers that carry the key, and those that every request has. The key never stands in an address. */
  headers(apiKey: string | null): Record<string, string>;
  /**
   * Reads an answer whose status is not 200.
   * @param now milliseconds since the epoch, for a Retry-After date
   */
  readError(status: number, body: string, headers: HttpAnswer['headers'], now: number, reading: Reading): ReplyError;
  /** How a person adds this service, for the set-up page. */
  howToAdd: string;
}

/** Makes the calls of one service. */
export interface Caller {
  address: Address;
  location: ModelInfo['location'];
  service(apiKey: string | null): Service;
  request(method: 'GET' | 'POST', path: string, call: CallOptions, body?: string): HttpRequest;
  /**
   * One call with a JSON answer.
   * @param timeoutMs milliseconds without a byte after which it fails; default that of all calls
   * @throws {ParleyError}
   */
  ask(method: 'GET' | 'POST', path: string, call: CallOptions, body?: string, timeoutMs?: number): Promise<unknown>;
  /** Why no call can be made with this key; null when one can. */
  refusedKey(apiKey: string | null): ReplyError | null;
  /** State for the set-up page, by listing the models. */
  state(call: CallOptions, models: (call: CallOptions) => Promise<readonly ModelInfo[]>): Promise<ProviderState>;
  close(): Promise<void>;
}

/** The header of services that take the key as a bearer token. */
export function bearer(apiKey: string | null): Record<string, string> {
  return apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
}

export function createCaller(options: CallerOptions): Caller {
  const { label, howToAdd } = options;
  const address = parseAddress(options.baseUrl);
  const client = createHttpClient(options.timeoutMs);

  const service = (apiKey: string | null): Service => ({
    client,
    label,
    host: address.host,
    readError: (status, body, answer) => options.readError(status, body, answer.headers, options.clock.now(), { label, apiKey }),
  });
  const request = (method: 'GET' | 'POST', path: string, call: CallOptions, body?: string): HttpRequest => ({
    method,
    origin: address.origin,
    path: address.path + path,
    headers: { ...options.headers(call.apiKey), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body }),
    signal: call.signal,
  });
  // A key with a line break or the like (a slip in copying) cannot be sent at all.
  const refusedKey = (apiKey: string | null): ReplyError | null => (apiKey === null || /^[\x21-\x7e]+$/.test(apiKey) ? null : statusError(401, label, ''));

  return {
    address,
    location: address.isLoopback ? 'local' : 'remote',
    service,
    request,
    refusedKey,
    async ask(method, path, call, body, timeoutMs) {
      const refused = refusedKey(call.apiKey);
      if (refused) throw toParleyError(refused);
      return callJson(service(call.apiKey), { ...request(method, path, call, body), ...(timeoutMs === undefined ? {} : { timeoutMs }) });
    },
    async state(call, models) {
      if (options.needsKey && call.apiKey === null) return { state: 'needs-key', detail: `${label} needs an API key, and none is set.`, howToAdd };
      try {
        const { length } = await models(call);
        const offers = length === 0 ? `answers, but lists no models: name one as ${options.id}/NAME` : `offers ${length === 1 ? 'one model' : `${length} models`}`;
        return { state: 'ready', detail: `${label} at ${address.host} ${offers}.`, howToAdd: '' };
      } catch (thrown) {
        const error = asParleyError(thrown);
        return { state: error.code === 'provider_unavailable' ? 'absent' : 'error', detail: error.message, howToAdd };
      }
    },
    close: () => client.close(),
  };
}
