import { afterEach, describe, expect, test } from 'vitest';
import { chats, guest, openHouse, owner, question, type House, type HouseOptions } from './testing.ts';
import { collect, textOf } from './providers/provider-suite.ts';
import type { ModelProvider, ReplyEvent } from './types.ts';

let house: House;
afterEach(() => house.close());

const withKey = { openaiApiKey: 'sk-env' };
const target = 'nearby/gpt-4o';
/** Without further tries, so that one call is one request. */
const once = { retryPausesMs: [] };

async function open(options?: HouseOptions): Promise<void> {
  house = await openHouse(options);
}

const errorOf = (events: ReplyEvent[]) => {
  const last = events.at(-1)!;
  return last.type === 'error' ? last.error : null;
};
const finished = { type: 'finish', reason: 'stop' };

describe('keys', () => {
  const sent = (): unknown => house.openai.requests.at(-1)!.headers.authorization;

  test('of the environment are spent by the owner alone', async () => {
    await open({ settings: withKey });
    await house.ask('openai/gpt-4o', owner);
    expect(sent()).toBe('Bearer sk-env');
    await expect(house.ask('openai/gpt-4o', guest)).rejects.toMatchObject({ code: 'no_api_key' });
    expect((await house.models.list(guest)).some((model) => model.provider === 'openai')).toBe(false);
  });

  test('of the environment are spent by all where they are shared', async () => {
    await open({ settings: { ...withKey, shareProviderKeys: true } });
    await house.ask('openai/gpt-4o', guest);
    expect(sent()).toBe('Bearer sk-env');
  });

  test('of a user are spent by that user, before all others', async () => {
    await open({ settings: { ...withKey, shareProviderKeys: true } });
    house.userKeys.set('guest openai', ' sk-guest\n');
    await house.ask('openai/gpt-4o', guest);
    expect(sent()).toBe('Bearer sk-guest');
    await house.ask('openai/gpt-4o', owner);
    expect(sent()).toBe('Bearer sk-env');
  });

  test('make a compatible server one that needs a key, when the owner has set one', async () => {
    await open({ settings: { compatibleKeys: new Map([['nearby', 'sk-near']]) } });
    await house.ask(target, owner);
    expect(house.nearby.requests.at(-1)!.headers.authorization).toBe('Bearer sk-near');
    await expect(house.ask(target, guest)).rejects.toMatchObject({ code: 'no_api_key' });
  });

  test('that are gone by the time of the call end the reply, without a call', async () => {
    await open();
    house.userKeys.set('guest openai', 'sk-guest');
    const resolved = await house.models.resolve('openai/gpt-4o', guest);
    house.userKeys.clear();
    const events = (await collect(house.models.reply(resolved, question, guest, new AbortController().signal))).flat();
    expect(errorOf(events)).toMatchObject({ code: 'no_api_key', serviceFault: false });
    expect(chats(house.openai)).toBe(0);
  });
});

describe('the model that spoke', () => {
  test('is not named when it is the target', async () => {
    await open();
    expect((await house.ask('ollama/llama2:latest'))[0]).toEqual({ type: 'text', text: 'Hello' });
  });

  test('is named in full, and first, when the service says another name', async () => {
    await open();
    house.nearby.next({ model: 'gpt-4o-2024-08-06' });
    const events = await house.ask(target);
    expect(events[0]).toEqual({ type: 'model', model: 'nearby/gpt-4o-2024-08-06' });
    expect(events.filter((event) => event.type === 'model')).toHaveLength(1);
  });
});

describe('trying again', () => {
  test('happens after faults of the service, while nothing was said', async () => {
    await open();
    for (const status of [500, 503]) house.nearby.next({ status });
    const events = await house.ask(target);
    expect([textOf(events), events.at(-1), chats(house.nearby)]).toEqual(['Hello from the stand-in.', finished, 3]);
  });

  test('ends after the last pause, with the error of the last try', async () => {
    await open();
    house.nearby.otherwise({ status: 500 });
    expect(errorOf(await house.ask(target))).toMatchObject({ code: 'provider_error', status: 500 });
    expect(chats(house.nearby)).toBe(3);
  });

  test('waits as long as the service asks, if that is not too long', async () => {
    await open();
    house.nearby.next({ status: 429, headers: { 'retry-after-ms': '120' } });
    expect((await house.ask(target)).at(-1)).toEqual(finished);
    const [first, second] = house.nearby.requests.filter((request) => request.path.endsWith('/completions'));
    expect(second!.receivedAt - first!.receivedAt).toBeGreaterThan(115);

    house.nearby.next({ status: 429, headers: { 'retry-after': '11' } });
    expect(errorOf(await house.ask(target))).toMatchObject({ code: 'rate_limited', retryAfterMs: 11_000 });
    expect(chats(house.nearby)).toBe(3);
  });

  test('does not happen once anything was said, reasoning included', async () => {
    await open();
    for (const script of [{ pieces: ['one', 'two'] }, { reasoning: ['hm'], pieces: ['one'] }]) {
      house.nearby.next({ ...script, fault: { kind: 'cut', after: 1 } });
      expect(errorOf(await house.ask(target))).toMatchObject({ code: 'provider_error', serviceFault: true });
    }
    expect(chats(house.nearby)).toBe(2);
  });

  test('does not happen after a silence, a bad key, a bad request', async () => {
    await open();
    for (const script of [{ silent: true }, { status: 401 }, { status: 400 }, { status: 404 }]) {
      house.nearby.next(script);
      expect(errorOf(await house.ask(target))).not.toBeNull();
    }
    expect(chats(house.nearby)).toBe(4);
  });

  test('ends at once when the caller cancels in a pause', async () => {
    await open({ retryPausesMs: [60_000] });
    const abort = new AbortController();
    const failing = house.nearby.next({ status: 500 });
    const asked = house.ask(target, owner, abort.signal);
    await (await failing.request).over;
    abort.abort();
    expect(errorOf(await asked)).toMatchObject({ code: 'cancelled', serviceFault: false });
  });
});

describe('the breaker of a provider', () => {
  const breaker = async () => (await house.models.providers(owner)).find((provider) => provider.id === 'nearby')!.breaker;
  const failing = async (times: number): Promise<void> => {
    house.nearby.otherwise({ status: 500 });
    for (let call = 0; call < times; call += 1) await house.ask(target);
    house.nearby.otherwise({});
  };

  test('stays closed over 4 faults, a success and 4 faults', async () => {
    await open(once);
    await failing(4);
    await house.ask(target);
    await failing(4);
    expect(await breaker()).toMatchObject({ state: 'CLOSED', failures: 4 });
  });

  test('opens after 5 faults and refuses at once, without a call', async () => {
    await open(once);
    await failing(5);
    const events = await house.ask(target);
    expect(errorOf(events)).toMatchObject({ code: 'provider_unavailable', retryAfterMs: 60_000, serviceFault: true });
    expect(chats(house.nearby)).toBe(5);
    expect(await breaker()).toMatchObject({ state: 'OPEN', failures: 5 });
  });

  test('counts a call once, however often it was tried', async () => {
    await open();
    await failing(4);
    expect([chats(house.nearby), (await breaker()).failures]).toEqual([12, 4]);
  });

  test('lets exactly one of 10 parallel calls out after a minute, and closes when it is answered', async () => {
    await open(once);
    await failing(5);
    house.pass(59_999);
    expect(errorOf(await house.ask(target))).toMatchObject({ code: 'provider_unavailable' });
    house.pass(1);
    const trial = house.nearby.next({ pieces: ['one', 'two'], gated: true });
    const asked = Array.from({ length: 10 }, () => house.ask(target));
    await trial.request;
    const refused = await Promise.all(asked.map((answer) => Promise.race([answer, trial.request.then(() => new Promise<null>((resolve) => setImmediate(() => setImmediate(() => resolve(null)))))])));
    expect(refused.filter((answer) => answer === null)).toHaveLength(1);
    trial.release(Infinity);
    const answers = await Promise.all(asked);
    expect(answers.filter((events) => errorOf(events) === null)).toHaveLength(1);
    expect([chats(house.nearby), (await breaker()).state]).toEqual([6, 'CLOSED']);
  });

  test('does not repeat a trial that fails', async () => {
    await open();
    await failing(5);
    house.pass(60_000);
    house.nearby.next({ status: 500 });
    await house.ask(target);
    expect([chats(house.nearby), (await breaker()).state]).toEqual([16, 'OPEN']);
  });

  test('is not moved by bad keys, bad requests, limits or cancelled calls', async () => {
    await open(once);
    for (const status of [401, 403, 400, 404, 422, 429]) {
      house.nearby.otherwise({ status });
      for (let call = 0; call < 6; call += 1) await house.ask(target);
    }
    house.nearby.otherwise({});
    for (let call = 0; call < 6; call += 1) await house.ask(target, owner, AbortSignal.abort());
    expect(await breaker()).toMatchObject({ state: 'CLOSED', failures: 0 });
  });

  test('counts answers that break off in the middle', async () => {
    await open(once);
    house.nearby.otherwise({ pieces: ['one', 'two'], fault: { kind: 'cut', after: 1 } });
    for (let call = 0; call < 5; call += 1) expect(textOf(await house.ask(target))).toBe('one');
    expect((await breaker()).state).toBe('OPEN');
  });

  test('stands alone: others answer meanwhile', async () => {
    await open(once);
    await failing(5);
    expect((await house.ask('ollama/llama2')).at(-1)).toEqual(finished);
  });
});

describe('fallback models', () => {
  const settings = { fallbackModels: ['builtin/parley', 'nobody', 'ollama/llama2'] };

  test('answer when the service of the target is down, and are named', async () => {
    await open({ ...once, settings });
    house.nearby.otherwise({ status: 503 });
    const events = await house.ask(target);
    expect(events[0]).toEqual({ type: 'model', model: 'ollama/llama2:latest' });
    expect([textOf(events), events.at(-1)]).toEqual(['Hello from the stand-in.', finished]);
  });

  test('answer while the breaker of the target is open', async () => {
    await open({ ...once, settings });
    house.nearby.otherwise({ status: 503 });
    for (let call = 0; call < 7; call += 1) expect((await house.ask(target)).at(-1)).toEqual(finished);
    expect(chats(house.nearby)).toBe(5);
  });

  test('are not asked about a bad key, a bad request or a limit, nor once anything was said', async () => {
    await open({ ...once, settings });
    for (const script of [{ status: 401 }, { status: 400 }, { status: 429 }, { pieces: ['one'], fault: { kind: 'cut', after: 1 } as const }]) {
      house.nearby.next(script);
      expect(errorOf(await house.ask(target))).not.toBeNull();
    }
    expect(chats(house.ollama)).toBe(0);
  });

  test('when all fail, the error is that of the target', async () => {
    await open({ ...once, settings });
    house.nearby.otherwise({ status: 503 });
    house.ollama.otherwise({ status: 500 });
    expect(errorOf(await house.ask(target))).toMatchObject({ status: 503 });
  });
});

describe('a provider that breaks the contract', () => {
  const faulty = (stream: ModelProvider['stream']): ModelProvider => ({
    id: 'faulty', kind: 'builtin', location: 'local', needsKey: false, stream,
    models: async () => [{ id: 'faulty/x', provider: 'faulty', model: 'x', label: 'x', kinds: ['chat'], location: 'local', contextLength: null, sizeBytes: null, createdAt: null }],
    state: () => new Promise(() => undefined),
  });

  test('by throwing ends the reply with an error that tells nothing of the inside', async () => {
    await open({ have: [], more: [faulty(async function* fail() { yield [{ type: 'text', text: 'a' }]; throw new Error('secret inside'); })] });
    const events = await house.ask('faulty/x');
    expect(events).toMatchObject([{ type: 'text' }, { type: 'error', error: { code: 'internal' } }]);
    expect(JSON.stringify(events)).not.toContain('secret');
  });

  test('by not ending, or by going on behind the end, still makes one end', async () => {
    await open({ have: [], more: [faulty(async function* stop() { yield [{ type: 'text', text: 'a' }]; })] });
    expect((await house.ask('faulty/x')).map((event) => event.type)).toEqual(['text', 'error']);
    await house.close();
    await open({ have: [], more: [faulty(async function* goOn() { yield [{ type: 'finish', reason: 'stop' }]; yield [{ type: 'text', text: 'a' }]; })] });
    expect((await house.ask('faulty/x')).map((event) => event.type)).toEqual(['finish']);
  });

  test('by never saying its state does not hold up the others', async () => {
    await open({ more: [faulty(async function* none() { /* says nothing */ })] });
    const providers = await house.models.providers(owner);
    expect(providers.find((provider) => provider.id === 'faulty')).toMatchObject({ state: 'error', detail: 'No answer within 1.5 s.' });
    expect(providers.find((provider) => provider.id === 'ollama')).toMatchObject({ state: 'ready' });
  });
});

describe('drawing', () => {
  const draw = async (name: string, caller = owner) => house.models.draw(await house.models.resolve(name, caller), { prompt: 'a wall', count: 2 }, caller, new AbortController().signal);

  test('finds the model by its bare name, and needs a key', async () => {
    await open({ settings: withKey });
    expect((await draw('dall-e-3')).pictures).toHaveLength(2);
    await expect(draw('openai/dall-e-3', guest)).rejects.toMatchObject({ code: 'no_api_key' });
  });

  test('is done by models that draw, and by no other in their place', async () => {
    await open({ settings: { ...withKey, fallbackModels: ['openai/gpt-image-1'] }, ...once });
    await expect(draw('ollama/llama2')).rejects.toMatchObject({ code: 'unsupported_value', parameter: 'model' });
    for (let failure = 0; failure < 2; failure += 1) house.openai.next({ endpoint: 'images', status: 500 });
    await expect(draw('dall-e-3')).rejects.toMatchObject({ code: 'provider_error' });
    expect(house.openai.requests.every(({ body }) => body.model === undefined || body.model === 'dall-e-3')).toBe(true);
  });

  test('is tried again after a fault of the service, the picture that failed alone, and counts for its breaker', async () => {
    await open({ settings: withKey, retryPausesMs: [1] });
    house.openai.next({ endpoint: 'images', status: 500 });
    expect((await draw('dall-e-3')).pictures).toHaveLength(2);
    expect(house.openai.requests.filter(({ path }) => path.endsWith('/images/generations'))).toHaveLength(3);
    for (let round = 0; round < 5; round += 1) {
      for (let call = 0; call < 4; call += 1) house.openai.next({ endpoint: 'images', status: 503 });
      await draw('dall-e-3').catch(() => undefined);
    }
    await expect(draw('dall-e-3')).rejects.toMatchObject({ code: 'provider_unavailable', message: expect.stringContaining('left alone') as string });
  });
});

test('lists what the caller can use now, and leaves out what does not answer', async () => {
  await open({ settings: withKey });
  house.nearby.next({ endpoint: 'models', silent: true });
  const list = async () => [...new Set((await house.models.list(owner)).map((model) => model.provider))].sort();
  expect(await list()).toEqual(['builtin', 'ollama', 'openai']);
  house.pass(30_000);
  await list();
  await house.models.resolve('nearby/nobody', owner);
  expect(await list()).toEqual(['builtin', 'nearby', 'ollama', 'openai']);
});

test('tells providers who asks, and everybody which models are in memory', async () => {
  const asked: (string | undefined)[] = [];
  const loaded = [10, 30, 20].map((lastUsedAt) => ({
    id: `own/m${lastUsedAt}`, provider: 'own', model: `m${lastUsedAt}`, sizeBytes: 1, gpuBytes: 0, contextLength: 1, loadedAt: 1, lastUsedAt, expiresAt: null,
  }));
  const own: ModelProvider = {
    id: 'own', kind: 'llama', location: 'local', needsKey: false,
    models: async () => [{ id: 'own/x', provider: 'own', model: 'x', label: 'x', kinds: ['chat', 'embedding'], location: 'local', contextLength: null, sizeBytes: null, createdAt: null }],
    state: async () => ({ state: 'ready', detail: '', howToAdd: '' }),
    loaded: () => loaded,
    async* stream(_request, { userId }) {
      asked.push(userId);
      yield [{ type: 'text', text: 'a' }, { type: 'finish', reason: 'stop' }];
    },
    async embed(_request, { userId }) {
      asked.push(userId);
      return { vectors: [], tokensIn: 0 };
    },
  };
  await open({ have: ['builtin'], more: [own] });
  await house.ask('own/x', guest);
  await house.models.embed(await house.models.resolve('own/x', owner), ['a'], owner, new AbortController().signal);
  expect(asked).toEqual(['guest', 'owner']);
  expect(house.models.loaded().map(({ model }) => model)).toEqual(['m30', 'm20', 'm10']);
});

test('tells how every provider stands, for this caller', async () => {
  await open({ settings: withKey });
  await house.ollama.close();
  const states = async (caller: typeof owner) => Object.fromEntries((await house.models.providers(caller)).map((provider) => [provider.id, [provider.state, provider.needsKey, provider.models.length > 0]]));
  expect(await states(owner)).toEqual({ openai: ['ready', true, true], nearby: ['ready', false, true], ollama: ['absent', false, false], builtin: ['ready', false, true] });
  expect((await states(guest))['openai']).toEqual(['needs-key', true, false]);
});

describe('embeddings', () => {
  const embed = async (name: string, texts = ['a', 'b']) => house.models.embed(await house.models.resolve(name, owner), texts, owner, new AbortController().signal);

  test('come from providers that make them, with tries like a reply', async () => {
    await open();
    house.nearby.next({ endpoint: 'embeddings', status: 500 });
    expect((await embed('nearby/text-embedding-3-small')).vectors).toHaveLength(2);
    expect((await embed('ollama/nomic-embed-text')).vectors).toHaveLength(2);
  });

  test('are refused by a model that makes none, by an open breaker, and by the service itself', async () => {
    await open(once);
    await expect(embed('builtin/parley')).rejects.toMatchObject({ code: 'unsupported_value' });
    await expect(embed('nearby/nobody')).rejects.toMatchObject({ code: 'model_not_found' });
    for (let call = 0; call < 5; call += 1) {
      house.nearby.next({ endpoint: 'embeddings', status: 500 });
      await expect(embed('nearby/text-embedding-3-small')).rejects.toMatchObject({ code: 'provider_error' });
    }
    await expect(embed('nearby/text-embedding-3-small')).rejects.toMatchObject({ code: 'provider_unavailable', retryAfterMs: 60_000 });
  });
});

test('knows what answers cost: nothing on this machine, the list price, or not at all', async () => {
  await open({ settings: withKey });
  expect(house.models.cost({ id: 'ollama/llama2:latest' }, 1000, 100)).toBe(0);
  expect(house.models.cost({ id: 'ollama/gpt-oss:120b-cloud' }, 1000, 100)).toBeNull();
  expect(house.models.cost({ id: 'builtin/parley' }, 1000, 100)).toBe(0);
  expect(house.models.cost({ id: 'openai/gpt-4o-mini' }, 1000, 100)).toBe(210);
  expect(house.models.cost({ id: 'openai/gpt-4o-mini' }, undefined, 100)).toBeNull();
  expect(house.models.cost({ id: 'builtin/parley' }, undefined, null)).toBe(0);
  expect(house.models.cost({ id: 'nearby/gpt-4o-mini' }, 1000, 100)).toBeNull();
  expect(house.models.cost({ id: 'nobody/x' }, 1000, 100)).toBeNull();
});

test('counts tokens by the tokenizer of the model, else by an estimate that says so', async () => {
  await open({ settings: withKey });
  const count = async (name: string) => house.models.countTokens(await house.models.resolve(name, owner), 'Hello world');
  expect(await count('openai/gpt-4o')).toEqual({ tokens: 2, exact: true });
  expect(await count('ollama/llama2')).toEqual({ tokens: 2, exact: false });
});
