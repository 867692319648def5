import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openSocket, openSocketIo, sendRequest, type Json, type TestSocketIo, type TestUser } from '../../src/dialects/testing.ts';
import type { StandIn } from '../stand-in/index.ts';
import { generate, idOf, joined, startPoolWorld, type PoolWorld } from './world.ts';

const chats = (server: StandIn): number => server.requests.filter(({ endpoint }) => endpoint === 'chat').length;
const ask = { model: 'llama2', prompt: 'Hello?' };

describe('Several instances of Ollama', () => {
  let world: PoolWorld;
  let slow: StandIn;
  let quick: StandIn[];
  beforeAll(async () => {
    world = await startPoolWorld(3);
    slow = world.servers[0]!;
    quick = world.servers.slice(1);
  });
  afterAll(async () => world.stop());

  it('say each for itself what they have, and nothing is known of requests before the first', async () => {
    const status = await world.status();
    expect(status).toMatchObject({ instances_available: 3, active_connections: 3, cloud_compute_instances: 0, total_operations: 0, load_balancing: { strategy: 'response_time', total_requests: 0, successful_requests: 0, success_rate: null } });
    expect(status.instance_details.map((instance: Json) => instance.instance_id)).toEqual(world.servers.map(idOf));
    for (const instance of status.instance_details) {
      expect(instance).toMatchObject({ status: 'healthy', health_score: 1, active_connections: 0, total_requests: 0, failed_requests: 0, avg_response_time: null, available_models: ['llama2:latest', 'codellama:7b', 'nomic-embed-text:latest'], loaded_models: [] });
      expect(Math.abs(Date.now() - Date.parse(instance.last_health_check))).toBeLessThan(60_000);
    }
  });

  it('share requests by their measured response time: the share of a delayed one falls', async () => {
    slow.otherwise({ pieces: ['slow'], firstDelayMs: 60 });
    for (const server of quick) server.otherwise({ pieces: ['quick'], firstDelayMs: 5 });
    for (let round = 0; round < 20; round += 1) await generate(world, ask);
    const shares = world.servers.map(chats);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBe(20);
    expect(shares[0]).toBeLessThanOrEqual(2);
    const status = await world.status();
    expect(status.instance_details.map((instance: Json) => instance.total_requests)).toEqual(shares);
    expect(status.load_balancing).toEqual({ strategy: 'response_time', total_requests: 20, successful_requests: 20, success_rate: 1 });
    const [first] = status.instance_details;
    if (shares[0]! > 0) expect(first.avg_response_time).toBeGreaterThanOrEqual(0.06);
  });

  it('one that goes away is unreachable, and requests go elsewhere without anybody noticing; one that comes back is used again', async () => {
    const [one, other] = quick as [StandIn, StandIn];
    one.vanish();
    const before = chats(other) + chats(slow);
    for (let round = 0; round < 6; round += 1) expect((await generate(world, ask)).events.at(-1)!.data).toMatchObject({ done: true });
    expect(chats(other) + chats(slow)).toBe(before + 6);
    await expect.poll(async () => (await world.details(one)).status, { timeout: 5000 }).toBe('unreachable');
    expect(await world.details(one)).toMatchObject({ available_models: [], loaded_models: null, active_connections: 0 });
    expect((await world.status()).instances_available).toBe(2);
    one.comeBack();
    await expect.poll(async () => (await world.details(one)).status, { timeout: 5000 }).not.toBe('unreachable');
    expect((await world.details(one)).health_score).toBeLessThan(1);
    const back = chats(one);
    other.vanish();
    slow.vanish();
    expect((await generate(world, ask)).events.at(-1)!.data.done).toBe(true);
    expect(chats(one)).toBe(back + 1);
    other.comeBack();
    slow.comeBack();
  });

  it('requests that run are counted where they run', async () => {
    await expect.poll(async () => (await world.status()).instances_available, { timeout: 5000 }).toBe(3);
    for (const server of world.servers) server.otherwise({ pieces: ['one', ' two'], gated: true });
    const running = [generate(world, ask), generate(world, ask)];
    await expect.poll(async () => (await world.status()).instance_details.reduce((sum: number, { active_connections: count }: Json) => sum + count, 0)).toBe(2);
    const { load_balancing: balancing } = await world.status();
    expect(balancing.success_rate).toBeLessThan(1);
    for (const server of world.servers) server.release(Infinity);
    for (const told of await Promise.all(running)) expect(joined(told)).toBe('one two');
    expect((await world.status()).instance_details.map((instance: Json) => instance.active_connections)).toEqual([0, 0, 0]);
  });
});

describe('Streamed generation', () => {
  let world: PoolWorld;
  let server: StandIn;
  beforeAll(async () => {
    world = await startPoolWorld(1);
    server = world.servers[0]!;
  });
  beforeEach(() => server.otherwise({ pieces: ['Here', ' it', ' is.'] }));
  afterAll(async () => world.stop());
  const usageRows = (user: TestUser): Promise<Json[]> => world.parts.storage.read.selectFrom('usage').selectAll().where('user_id', '=', user.userId).orderBy('id').execute();

  it('passes each piece on as it comes, and the figures of the instance at the end', async () => {
    server.next({ pieces: ['Here', ' it', ' is.'], gated: true, usage: { tokensIn: 9, tokensOut: 3 } });
    const seen: string[] = [];
    const told = await generate(world, { ...ask, options: { temperature: 0, max_tokens: 50 } }, {
      onEvent: ({ data }) => {
        seen.push(data.response);
        server.release();
      },
      signal: (setTimeout(() => server.release(), 30), AbortSignal.timeout(5000)),
    });
    // Each piece was let go only when the one before it had reached the client.
    expect(seen).toEqual(['Here', ' it', ' is.', '']);
    expect(told.events.map(({ data }) => data.done)).toEqual([false, false, false, true]);
    expect(told.events.at(-1)!.data).toEqual({ response: '', done: true, total_duration: 5_000_000_000, model: 'llama2:latest', done_reason: 'stop', prompt_eval_count: 9, eval_count: 3 });
    expect(server.requests.at(-1)!.body).toMatchObject({ model: 'llama2:latest', stream: true, messages: [{ role: 'user', content: 'Hello?' }], options: { temperature: 0, num_predict: 50 } });
    expect(told.headers.get('x-agent-version')).toBe('4.1.0');
  });

  it('says the same in one event when no stream is asked for', async () => {
    const told = await generate(world, { ...ask, stream: false });
    expect(told.events.map(({ data }) => [data.response, data.done])).toEqual([['Here it is.', true]]);
    expect(joined(await generate(world, ask))).toBe('Here it is.');
  });

  it('leaves a row of its usage, and is held to the limits of other calls', async () => {
    const before = (await usageRows(world.ann)).length;
    await generate(world, ask);
    const rows = await usageRows(world.ann);
    expect([rows.length, rows.at(-1)]).toMatchObject([before + 1, { dialect: 'ultimate', model: 'ollama/llama2:latest', tokens_in: 7, tokens_out: 3, outcome: 'DELIVERED' }]);
    const limited = await startPoolWorld(1, {}, { LIMIT_COMPLETIONS_PER_MINUTE: '1' });
    try {
      expect((await generate(limited, ask)).status).toBe(200);
      const refused = await generate(limited, ask);
      expect([refused.status, refused.json.error.code, Number(refused.headers.get('retry-after')) > 0]).toEqual([429, 'rate_limited', true]);
    } finally {
      await limited.stop();
    }
  });

  it('a model breaking off in the middle is told by an error, and nothing is done', async () => {
    server.next({ pieces: ['Half', ' lost'], gated: true, fault: { kind: 'cut', after: 1 } });
    setTimeout(() => server.release(), 20);
    const told = await generate(world, ask);
    expect(told.events.map(({ name }) => name)).toEqual(['message', 'error']);
    expect(told.events[0]!.data).toEqual({ response: 'Half', done: false });
    expect(told.events[1]!.data).toEqual({ success: false, error: { code: 'provider_error', message: expect.any(String), details: {} } });
    expect(await world.details(server)).toMatchObject({ failed_requests: 1 });
  });

  it('what fails before the first piece has a status of its own', async () => {
    expect(await generate(world, { ...ask, model: 'gpt-4o' })).toMatchObject({ status: 404, json: { success: false, error: { code: 'model_not_found' } } });
    for (const body of [{}, { model: 'llama2' }, { ...ask, prompt: '' }, { ...ask, options: { max_tokens: 0 } }, { ...ask, options: { temperature: -1 } }]) expect((await generate(world, body)).status).toBe(400);
    const none = await startPoolWorld(0);
    try {
      expect(await generate(none, ask)).toMatchObject({ status: 503, json: { error: { code: 'provider_unavailable' } } });
      expect(await none.status()).toMatchObject({ instances_available: 0, instance_details: [], load_balancing: { success_rate: null } });
    } finally {
      await none.stop();
    }
  });

  it('ends at the instance when its client goes away', async () => {
    const scripted = server.next({ pieces: ['one', 'two', 'three'], gated: true });
    const leaving = new AbortController();
    const told = generate(world, ask, { signal: leaving.signal, onEvent: () => leaving.abort() });
    const request = await scripted.request;
    const running = async (): Promise<number> => (await sendRequest(world.url, 'GET', '/api/v4/health/comprehensive', { as: world.ann })).json.components.ai_systems.active_inferences;
    expect(await running()).toBe(1);
    scripted.release();
    await expect(told).rejects.toThrow();
    await request.aborted;
    await expect.poll(running).toBe(0);
    expect(request.piecesSent).toBe(1);
    expect(await world.details(server)).toMatchObject({ active_connections: 0 });
  });

  it('a client that does not read slows nobody', async () => {
    const big = 'x'.repeat(65_536);
    const stuck = server.next({ pieces: Array.from({ length: 200 }, () => big) });
    const response = await fetch(`${world.url}/api/v4/ai/ollama/generate/stream`, { method: 'POST', headers: { ...world.ann.headers, 'content-type': 'application/json' }, body: JSON.stringify(ask) });
    await stuck.request;
    expect(joined(await generate(world, ask))).toBe('Here it is.');
    await response.body!.cancel();
  });

  it('needs the permission write', async () => {
    for (const [permissions, status] of [[['read', 'chat'], 403], [['write'], 200]] as const) {
      const { json } = await sendRequest(world.url, 'POST', '/api/auth/token', { as: world.ann, body: { agent_id: 'a', permissions } });
      expect((await generate(world, ask, { as: { ...world.ann, headers: { authorization: `Bearer ${json.token}` } } })).status).toBe(status);
    }
    expect((await generate(world, ask, { as: { ...world.ann, headers: {} } })).status).toBe(401);
  });
});

describe('Fetching a model', () => {
  let world: PoolWorld;
  let one: StandIn;
  let other: StandIn;
  const sockets: TestSocketIo[] = [];
  beforeAll(async () => {
    world = await startPoolWorld(2);
    [one, other] = world.servers as [StandIn, StandIn];
  });
  afterAll(async () => {
    for (const socket of sockets) socket.close();
    await world.stop();
  });
  const pull = (body: Json, as = world.owner) => sendRequest(world.url, 'POST', '/api/v4/ai/ollama/models/pull', { as, body });
  const pulls = (server: StandIn): number => server.requests.filter(({ endpoint }) => endpoint === 'pull').length;
  const open = async (as: TestUser): Promise<TestSocketIo> => {
    const socket = await openSocketIo(world, { extraHeaders: as.headers });
    sockets.push(socket);
    await socket.greeting;
    return socket;
  };

  it('answers when every instance has it, and tells administrators how far it is', async () => {
    const [watching, foreign] = [await open(world.owner), await open(world.ann)];
    one.next({ endpoint: 'pull', layers: [1000, 3000] });
    other.next({ endpoint: 'pull', layers: [1000, 3000] });
    const { status, json } = await pull({ model: 'mistral' });
    expect([status, json]).toEqual([200, {
      success: true, model: 'mistral', instance_results: { [idOf(one)]: true, [idOf(other)]: true },
      download_progress: { [`${idOf(one)}:mistral`]: 100, [`${idOf(other)}:mistral`]: 100 },
    }]);
    for (const server of [one, other]) expect((await world.details(server)).available_models).toContain('mistral:latest');
    await watching.next('ollama_pull_progress', ({ state, instance_id: id }) => state === 'done' && id === idOf(one));
    expect(foreign.events.filter(({ event }) => event === 'ollama_pull_progress')).toEqual([]);
    expect(joined(await generate(world, { model: 'mistral', prompt: 'Hello?' }))).toBe('Hello from the stand-in.');
  });

  it('is not done when its transfer breaks', async () => {
    one.next({ endpoint: 'pull', layers: [1000, 1000], gated: true, fault: { kind: 'cut', after: 3 } }).release(Infinity);
    const { status, json } = await pull({ model: 'broken:7b', instance_id: idOf(one) });
    expect([status, json]).toMatchObject([200, { success: false, instance_results: { [idOf(one)]: false }, errors: { [idOf(one)]: expect.any(String) } }]);
    const progress = json.download_progress[`${idOf(one)}:broken:7b`];
    expect(progress).toBeGreaterThan(0);
    expect(progress).toBeLessThan(100);
    expect((await world.details(one)).available_models).not.toContain('broken:7b');
  });

  it('is not done when the instance says so and does not list the model', async () => {
    one.next({ endpoint: 'pull', raw: ['{"status":"pulling manifest"}\n{"status":"success"}\n'] });
    expect((await pull({ model: 'ghost', instance_id: idOf(one) })).status).toBe(502);
  });

  it('a model, an instance or a registry that is not there has a status of its own', async () => {
    for (const [pullError, status, code] of [
      ['pull model manifest: file does not exist', 404, 'model_not_found'],
      ['pull model manifest: Get "https://registry.ollama.ai/v2/library/x/manifests/latest": dial tcp: lookup registry.ollama.ai: no such host', 502, 'provider_error'],
    ] as const) {
      for (const server of [one, other]) server.next({ endpoint: 'pull', pullError });
      const answer = await pull({ model: 'nowhere' });
      expect([answer.status, answer.json.error.code]).toEqual([status, code]);
    }
    expect((await pull({ model: 'x', instance_id: 'localhost:1' })).status).toBe(404);
    // As the document names it, whatever OLLAMA_URLS calls this machine.
    expect((await pull({ model: 'named', instance_id: idOf(one).replace('127.0.0.1', 'localhost') })).json).toMatchObject({ success: true, instance_results: { [idOf(one)]: true } });
    for (const body of [{}, { model: '' }, { model: 'two words' }]) expect((await pull(body)).status).toBe(400);
  });

  it('outlives its client, and the same asked again joins it', async () => {
    const scripted = one.next({ endpoint: 'pull', layers: [1000], gated: true });
    const before = pulls(one);
    const leaving = new AbortController();
    const left = fetch(`${world.url}/api/v4/ai/ollama/models/pull`, {
      method: 'POST', headers: { ...world.owner.headers, 'content-type': 'application/json' }, body: JSON.stringify({ model: 'phi', instance_id: idOf(one) }), signal: leaving.signal,
    });
    await scripted.request;
    leaving.abort();
    await expect(left).rejects.toThrow();
    await expect.poll(async () => (await world.status()).pulls).toMatchObject([{ model: 'phi', instance_id: idOf(one), state: 'running' }]);
    const joining = pull({ model: 'phi:latest', instance_id: idOf(one) });
    scripted.release(Infinity);
    expect((await joining).json).toMatchObject({ success: true });
    expect(pulls(one)).toBe(before + 1);
    expect((await world.status()).pulls).toEqual([]);
  });

  it('can be ended, and then is not done; who watches it is told', async () => {
    const watching = await open(world.owner);
    const scripted = one.next({ endpoint: 'pull', layers: [1000], gated: true });
    const waiting = pull({ model: 'qwen', instance_id: idOf(one) });
    const request = await scripted.request;
    const [{ id }] = (await world.status()).pulls;
    expect((await sendRequest(world.url, 'DELETE', `/api/v4/ai/ollama/models/pulls/${id}`, { as: world.ann })).status).toBe(403);
    expect((await sendRequest(world.url, 'DELETE', `/api/v4/ai/ollama/models/pulls/${id}`, { as: world.owner })).json).toMatchObject({ success: true, model: 'qwen' });
    await request.aborted;
    expect(await watching.next('ollama_pull_progress', ({ state }) => state === 'cancelled')).toMatchObject({ id, model_name: 'qwen', instance_id: idOf(one), error: null });
    expect((await waiting).json).toMatchObject({ success: false, instance_results: { [idOf(one)]: false }, download_progress: { [`${idOf(one)}:qwen`]: expect.any(Number) } });
  });

  it('goes on after a restart of the server', async () => {
    const scripted = one.next({ endpoint: 'pull', layers: [1000], gated: true });
    const waiting = pull({ model: 'durable', instance_id: idOf(one) }).catch(() => null);
    const request = await scripted.request;
    await world.restart();
    await Promise.all([request.aborted, waiting]);
    await expect.poll(async () => (await world.details(one)).available_models, { timeout: 10_000 }).toContain('durable:latest');
  });

  it('what was fetched can be loaded, unloaded and deleted', async () => {
    const manage = (action: string, model: string) => sendRequest(world.url, 'POST', `/api/v4/ai/ollama/models/${action}`, { as: world.owner, body: { model, instance_id: idOf(one) } });
    expect((await manage('load', 'codellama:7b')).json).toEqual({ success: true, model: 'codellama:7b', instance_results: { [idOf(one)]: true } });
    expect((await world.details(one)).loaded_models).toContain('codellama:7b');
    const loaded = (await world.status()).instance_details.flatMap((instance: Json) => instance.loaded_models).length;
    const read = async (path: string): Promise<Json> => (await sendRequest(world.url, 'GET', path, { as: world.ann })).json;
    expect([(await read('/api/v4/stats/enhanced')).ai_status.models_loaded, (await read('/api/v4/health/comprehensive')).components.ai_systems.models_loaded]).toEqual([loaded, loaded]);
    expect((await manage('unload', 'codellama:7b')).json.success).toBe(true);
    expect((await world.details(one)).loaded_models).not.toContain('codellama:7b');
    expect((await manage('delete', 'codellama:7b')).json.success).toBe(true);
    expect(one.ollamaModels).not.toContain('codellama:7b');
    expect((await world.details(one)).available_models).not.toContain('codellama:7b');
    expect((await manage('load', 'codellama:7b')).status).toBe(404);
    expect((await sendRequest(world.url, 'POST', '/api/v4/ai/ollama/models/delete', { as: world.ann, body: { model: 'llama2' } })).status).toBe(403);
    // Another instance has it still.
    expect((await sendRequest(world.url, 'POST', '/api/v4/ai/ollama/models/load', { as: world.owner, body: { model: 'codellama:7b' } })).json).toMatchObject({
      success: false, instance_results: { [idOf(one)]: false, [idOf(other)]: true },
    });
  });

  it('is for administrators with the permission admin', async () => {
    const before = pulls(one);
    expect((await pull({ model: 'x' }, world.ann)).status).toBe(403);
    const { json } = await sendRequest(world.url, 'POST', '/api/auth/token', { as: world.owner, body: { agent_id: 'a', permissions: ['read', 'write', 'chat', 'p2p'] } });
    expect((await pull({ model: 'x' }, { ...world.owner, headers: { authorization: `Bearer ${json.token}` } })).status).toBe(403);
    expect((await pull({ model: 'x' }, { ...world.owner, headers: {} })).status).toBe(401);
    expect(pulls(one)).toBe(before);
  });
});

describe('A model being loaded', () => {
  it('is told once to every socket that may read, over both framings', async () => {
    const world = await startPoolWorld(1);
    const [server] = world.servers as [StandIn];
    try {
      await world.status();
      const socket = await openSocketIo(world, { extraHeaders: world.ann.headers });
      const plain = await openSocket(world, '/socket.io/', world.ann.headers);
      await Promise.all([socket.greeting, plain.next('connected')]);
      await generate(world, ask);
      await generate(world, ask);
      // Somebody else loads another one.
      server.loaded.add('codellama:7b');
      await world.parts.ollamaPool.status();
      const loaded = { model_name: 'llama2:latest', instance_id: idOf(server) };
      expect(await socket.next('ollama_model_loaded')).toEqual(loaded);
      expect((await plain.next('ollama_model_loaded')).data).toEqual(loaded);
      await expect.poll(async () => {
        await world.status();
        return socket.events.filter(({ event }) => event === 'ollama_model_loaded').map(({ payload }) => payload.model_name);
      }, { timeout: 5000 }).toEqual(['llama2:latest', 'codellama:7b']);
      expect((await world.details(server)).loaded_models).toEqual(['llama2:latest', 'codellama:7b']);
      socket.close();
      plain.close();
    } finally {
      await world.stop();
    }
  });
});
