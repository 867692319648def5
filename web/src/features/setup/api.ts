import { request, type Inspection, type ProviderKey, type Pull, type Setup } from '../../shared/api/index.ts';

const base = '/api/v1/chat';

export function fetchSetup(): Promise<Setup> {
  return request('GET', `${base}/setup`);
}

/** Looks at a model before it is fetched. This is the first thing that leaves the server's machine, and only when asked for. */
export function inspectModel(source: string, signal?: AbortSignal): Promise<Inspection> {
  return request('GET', `${base}/models/inspect?source=${encodeURIComponent(source)}`, { signal, timeoutMs: 60_000 });
}

export function pullModel(source: string, sha256: string | null): Promise<Pull> {
  return request('POST', `${base}/models/pull`, { body: { source, ...(sha256 === null ? {} : { sha256 }) } });
}

export async function fetchPulls(): Promise<Pull[]> {
  return (await request<{ pulls: Pull[] }>('GET', `${base}/models/pulls`)).pulls;
}

export function cancelPull(id: string): Promise<Pull> {
  return request('POST', `${base}/models/pulls/${encodeURIComponent(id)}/cancel`);
}

export function resumePull(id: string): Promise<Pull> {
  return request('POST', `${base}/models/pulls/${encodeURIComponent(id)}/resume`);
}

export async function fetchKeys(): Promise<ProviderKey[]> {
  return (await request<{ keys: ProviderKey[] }>('GET', `${base}/keys`)).keys;
}

export function saveKey(provider: string, key: string): Promise<unknown> {
  return request('PUT', `${base}/keys/${encodeURIComponent(provider)}`, { body: { key } });
}

export function removeKey(provider: string): Promise<unknown> {
  return request('DELETE', `${base}/keys/${encodeURIComponent(provider)}`);
}
