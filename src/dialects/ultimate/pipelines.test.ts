import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTestModel } from '../../../test/gguf/index.ts';
import { systemClock } from '../../base/clock.ts';
import { createMetrics, silentLog } from '../../base/observability/index.ts';
import { createLlamaProvider, createModels } from '../../core/models/index.ts';
import { startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';

const batchUrl = '/api/v4/ai/inference/batch';
const runUrl = '/api/v4/ai/pipeline/run';
const runs = '/api/v4/ai/pipeline/runs';

describe('Batches and pipelines over HTTP', () => {
  let server: TestServer;
  let ann: TestUser;
  let ben: TestUser;

  beforeAll(async () => {
    server = await startTestServer({ settings: { LIMIT_COMPLETIONS_PER_MINUTE: '20' } });
    [ann, ben] = [await server.user('ann'), await server.user('ben')];
  });
  afterAll(() => server.stop());
  const call = (at: number) => expect.poll(() => server.models.calls[at]).toBeDefined().then(() => server.models.calls[at]!);
  const frames = (text: string): { event: string; data: Json }[] =>
    text.split('\n\n').filter((frame) => frame.startsWith('event: ')).map((frame) => ({ event: frame.slice('event: '.length, frame.indexOf('\n')), data: JSON.parse(frame.slice(frame.indexOf('data: ') + 'data: '.length)) }));

  it('a batch may come as text/plain, as the documented fetch sends it, but not from pages of other origins', async () => {
    const at = server.models.calls.length;
    const raw = JSON.stringify({ requests: [{ model: 'sentiment', input: 'Text 1' }] });
    const asked = server.request('POST', batchUrl, { as: ann, raw, headers: { 'content-type': 'text/plain;charset=UTF-8' } });
    const { text, finish } = await call(at);
    text('Glad.');
    finish();
    expect((await asked).json.results).toMatchObject([{ success: true, output: 'Glad.', model: 'sentiment' }]);
    expect((await server.request('POST', batchUrl, { as: ann, raw: '{', headers: { 'content-type': 'text/plain' } })).status).toBe(400);
    expect((await server.request('POST', batchUrl, { as: ann, raw, headers: { 'content-type': 'application/x-www-form-urlencoded' } })).status).toBe(415);
    const login = await server.request('POST', '/api/auth/login', { body: { username: 'ann', password: ann.password } });
    const cookie = login.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
    // A form of another page can send text/plain: neither the cookie nor being on this machine helps it.
    for (const headers of [{ cookie }, {}] as Record<string, string>[]) {
      const foreign = await server.request('POST', batchUrl, { raw, headers: { ...headers, 'content-type': 'text/plain', origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site' } });
      expect([401, 403]).toContain(foreign.status);
    }
    const bare = await server.request('POST', batchUrl, { raw, headers: { cookie, 'content-type': 'text/plain', 'x-forwarded-for': '192.0.2.1' } });
    expect([bare.status, bare.json.error.code]).toEqual([403, 'csrf_failed']);
    expect(server.models.calls).toHaveLength(at + 1);
  });

  it('a batch ends with its client', async () => {
    const at = server.models.calls.length;
    const gone = new AbortController();
    const asked = fetch(server.url + batchUrl, { method: 'POST', headers: { ...ann.headers, 'content-type': 'application/json' }, body: JSON.stringify({ requests: [{ model: 'scripted/one', input: 'x' }] }), signal: gone.signal });
    const { signal } = await call(at);
    gone.abort();
    await expect(asked).rejects.toThrow();
    await expect.poll(() => signal.aborted).toBe(true);
  });

  it('every item counts as a call, and a batch that is refused as none', async () => {
    const ask = async (count: number) => server.request('POST', batchUrl, { as: ben, body: { requests: Array.from({ length: count }, () => ({ model: 'missing', input: 'x' })) } });
    const all = await ask(21);
    expect([all.status, all.json.error.code]).toEqual([400, 'invalid_request']);
    await ask(12);
    const refused = await ask(12);
    expect([refused.status, refused.json.error.code]).toEqual([429, 'rate_limited']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask(2)).status).not.toBe(429);
  });

  it('a run is told piece by piece, and can be looked at, followed again and forgotten', async () => {
    const at = server.models.calls.length;
    const streamed = server.request('POST', runUrl, { as: ann, body: { type: 'sequential', input: 'Seven', stages: [{ name: 'one' }, { name: 'two', model: 'technical', prompt: 'Say {{input}}' }], stream: true } });
    const first = await call(at);
    first.text('Sie');
    first.text('ben');
    first.finish();
    const second = await call(at + 1);
    expect(second.request.messages.map(({ content }) => content)).toEqual([expect.stringContaining('technical assistant'), 'Say Sieben']);
    second.text('7');
    second.finish();
    const told = frames((await streamed).text);
    const kinds = told.map(({ event }) => event).filter((event, place, all) => event !== all[place - 1]);
    expect(kinds).toEqual(['run', 'stage_started', 'piece', 'stage_ended', 'stage_started', 'piece', 'stage_ended', 'done']);
    expect(told.filter(({ event, data }) => event === 'piece' && data.stage === 'one').map(({ data }) => data.text).join('')).toBe('Sieben');
    const { run_id: id } = told[0]!.data;
    const kept = (await server.request('GET', `${runs}/${id}`, { as: ann })).json;
    expect(kept).toEqual({ success: true, ...told.at(-1)!.data });
    expect(kept).toMatchObject({ status: 'completed', input: 'Seven', output: '7', stages: [{ name: 'one', attempt: 1, calls: 1, tokens_in: 7, tokens_out: 3 }, { name: 'two' }] });
    const again = frames((await server.request('GET', `${runs}/${id}/events`, { as: ann })).text);
    expect(again.at(-1)).toEqual(told.at(-1));
    expect((await server.request('GET', runs, { as: ann })).json.runs).toMatchObject([{ run_id: id, status: 'completed' }]);
    for (const [method, path] of [['GET', `${runs}/${id}`], ['DELETE', `${runs}/${id}`], ['GET', `${runs}/${id}/events`]] as const) expect((await server.request(method, path, { as: ben })).status).toBe(404);
    expect((await server.request('DELETE', `${runs}/${id}`, { as: ann })).status).toBe(200);
    expect((await server.request('GET', `${runs}/${id}`, { as: ann })).status).toBe(404);
    expect((await server.request('GET', '/api/v4/ai/pipeline/status', { as: ben })).json).toMatchObject({ completed_pipelines: 1, streaming_pipelines: true });
  });

  it('a run goes on without its client, and is ended by its owner', async () => {
    const at = server.models.calls.length;
    const accepted = await server.request('POST', runUrl, { as: ann, body: { type: 'sequential', input: 'x', stages: [{}], wait: false } });
    expect([accepted.status, accepted.json.success]).toEqual([202, true]);
    const { signal } = await call(at);
    const id = accepted.json.run_id;
    expect(signal.aborted).toBe(false);
    expect((await server.request('DELETE', `${runs}/${id}`, { as: ann })).json).toMatchObject({ success: false, status: 'cancelled', stages: [{ status: 'cancelled' }] });
    await expect.poll(() => signal.aborted).toBe(true);
    expect(frames((await server.request('GET', `${runs}/${id}/events`, { as: ann })).text).at(-1)).toMatchObject({ event: 'error', data: { success: false, error: { code: 'cancelled' } } });
  });

  it('needs the permission to write, and to read for looking', async () => {
    const keyFor = async (...scopes: ('read' | 'write')[]) => ({ authorization: `Bearer ${(await server.parts.accounts.createApiKey(ann.userId, 'key', scopes)).key}` });
    const [reader, writer] = [await keyFor('read'), await keyFor('write')];
    const body = { type: 'distributed', input: 'x', stages: [{}] };
    const status = async (method: string, path: string, headers: Record<string, string>, sent?: Json) => (await server.request(method, path, { headers, ...(sent ? { body: sent } : {}) })).status;
    expect([await status('POST', runUrl, reader, body), await status('POST', runUrl, writer, body)]).toEqual([403, 501]);
    expect([await status('POST', batchUrl, reader, { requests: [] }), await status('POST', batchUrl, writer, { requests: [] })]).toEqual([403, 400]);
    expect([await status('GET', runs, reader), await status('GET', runs, writer)]).toEqual([200, 403]);
    expect([await status('GET', '/api/v4/ai/pipeline/status', reader), await status('DELETE', `${runs}/none`, writer)]).toEqual([200, 404]);
  });
});

describe('A batch on the embedded engine, over HTTP', () => {
  it('says how its items were evaluated together, and answers each as a single call does', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'parley-batch-'));
    writeTestModel(join(folder, 'small.gguf'), { says: 'Hello there, this is what it says.' });
    const provider = createLlamaProvider({ folder, settings: { threads: 1, sequences: 2, contextTokens: 1024, gpu: 'off', memoryBytes: 0, idleMs: 0 }, log: silentLog() });
    const models = createModels({
      providers: [provider], providerKey: async () => null, clock: systemClock, log: silentLog(), metrics: createMetrics(),
      settings: { shareProviderKeys: false, openaiApiKey: null, compatibleKeys: new Map(), defaultModel: null, fallbackModels: [] },
    });
    const server = await startTestServer({ models });
    try {
      const ann = await server.user('ann');
      const ask = async (requests: Json[]): Promise<Json> => (await server.request('POST', batchUrl, { as: ann, body: { requests, options: { max_tokens: 40 } } })).json;
      const items = Array.from({ length: 12 }, (_item, at) => ({ model: at % 2 === 0 ? 'llama/small' : 'general', input: `Text ${at}` }));
      const together = await ask(items);
      expect(together).toMatchObject({ total: 12, succeeded: 12, batched: 12, batches: [{ model: 'llama/small', items: 12, at_once: 12, most_together: 12 }] });
      const [{ evaluations, shared_evaluations: shared }] = together.batches;
      expect(shared).toBeGreaterThan(evaluations * 0.8);
      // One call of the engine for a token of each item: far fewer than tokens.
      const tokens = together.results.reduce((sum: number, { tokens_used: used }: Json) => sum + used, 0);
      expect(evaluations).toBeLessThan(tokens / 10);
      const single = await ask(items.slice(0, 1));
      expect(single).toMatchObject({ batched: 0, batches: [{ at_once: 1, evaluations: null }] });
      expect(new Set(together.results.map(({ output }: Json) => output))).toEqual(new Set([single.results[0].output]));
      await expect.poll(async () => (await server.parts.storage.read.selectFrom('usage').select('id').execute()).length).toBe(13);
    } finally {
      await server.stop();
      await models.stop!();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
