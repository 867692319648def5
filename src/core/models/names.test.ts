import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { asParleyError, ParleyError } from '../../base/errors.ts';
import { createOpenaiCompatibleProvider } from './providers/openai-compatible/index.ts';
import { guest, openHouse, owner, type House, type HouseOptions } from './testing.ts';
import type { Caller } from './service.ts';

let house: House;
afterEach(() => house.close());

const withKey = { openaiApiKey: 'sk-env' };

async function open(options?: HouseOptions): Promise<void> {
  house = await openHouse(options);
}

/** The id a name resolves to, or the code of the error. */
async function found(name: string | null, caller: Caller = owner): Promise<string> {
  return house.models.resolve(name, caller).then((target) => target.id, (thrown: unknown) => asParleyError(thrown).code);
}

describe('a whole name', () => {
  test('is the model of that provider, and no other', async () => {
    await open({ settings: withKey });
    expect(await found('openai/gpt-4o')).toBe('openai/gpt-4o');
    expect(await found('nearby/gpt-4o')).toBe('nearby/gpt-4o');
    expect(await found('ollama/codellama:7b')).toBe('ollama/codellama:7b');
    expect(await found('builtin/parley')).toBe('builtin/parley');
    expect(await house.models.resolve('ollama/llama2', owner)).toEqual({ id: 'ollama/llama2:latest', provider: 'ollama', model: 'llama2:latest', contextLength: 4096, isBuiltin: false, seesPictures: false });
  });

  test('of a model that is not there is an error that lists what there is', async () => {
    await open({ settings: withKey });
    for (const name of ['openai/gpt-99', 'ollama/nobody', 'builtin/other']) expect(await found(name), name).toBe('model_not_found');
    await expect(house.models.resolve('ollama/nobody', owner)).rejects.toThrow('Available: ollama/llama2:latest, ollama/codellama:7b');
  });

  test('goes to a compatible server even when its list does not have it: lists are incomplete there', async () => {
    await open();
    expect(await found('nearby/meta-llama/Llama-3:free')).toBe('nearby/meta-llama/Llama-3:free');
  });

  test('goes to a service that cannot be listed now, which then says itself what is wrong', async () => {
    await open();
    await house.ollama.close();
    expect(await found('ollama/llama2')).toBe('ollama/llama2');
    expect(await house.ask('ollama/llama2')).toMatchObject([{ type: 'error', error: { code: 'provider_unavailable' } }]);
  });

  test('of a provider without a key for the caller is refused', async () => {
    await open({ settings: withKey });
    expect(await found('openai/gpt-4o', guest)).toBe('no_api_key');
  });
});

describe('a bare name, as the published API documents write them', () => {
  test('is a model of its maker where the maker is set up', async () => {
    await open({ settings: withKey });
    for (const name of ['gpt-4o', 'gpt-4', 'gpt-3.5-turbo', 'text-embedding-3-small']) expect(await found(name)).toBe(`openai/${name}`);
  });

  test('is whoever offers exactly that name, those on this machine first', async () => {
    await open({ have: ['nearby', 'ollama', 'builtin'], nearby: { models: ['mistral', 'gpt-4o', 'shared:1b'] }, ollama: { ollamaModels: ['llama2:latest', 'llama2:70b', 'codellama:34b', 'shared:1b'] } });
    expect(await found('llama2')).toBe('ollama/llama2:latest');
    expect(await found('llama2-70b')).toBe('ollama/llama2:70b');
    expect(await found('codellama-34b')).toBe('ollama/codellama:34b');
    expect(await found('mistral')).toBe('nearby/mistral');
    expect(await found('gpt-4o')).toBe('nearby/gpt-4o');
    expect(await found('parley')).toBe('builtin/parley');
  });

  test('is never something else', async () => {
    await open({ settings: withKey, openai: { models: ['gpt-4o-mini'] }, nearby: { models: ['llama-3'] }, ollama: { ollamaModels: ['llama2:7b', 'mistral:7b'] } });
    for (const name of ['llama2', 'mistral', 'gpt-4', 'gpt-4o', 'llama3', 'LLAMA-3', 'cnn', '', ' ', 'x'.repeat(300)]) expect(await found(name), name).toBe('model_not_found');
  });

  test('of a maker that is no provider here is an error that says so', async () => {
    await open();
    await expect(house.models.resolve('claude-3-opus', owner)).rejects.toThrow('It is a model of Anthropic, and no provider here offers it. Available: ');
    await expect(house.models.resolve('gemini-pro', owner)).rejects.toThrow('It is a model of Google');
  });

  test('of a maker that is a provider here is its model', async () => {
    await open({ have: ['openai', 'anthropic', 'google', 'cohere', 'nearby'], settings: { ...withKey, anthropicApiKey: 'a', googleApiKey: 'g', cohereApiKey: 'c' }, nearby: { models: ['gemini-2.5-flash'] } });
    expect(await found('gemini-2.5-flash')).toBe('google/gemini-2.5-flash');
    expect(await found('gemini-embedding-001')).toBe('google/gemini-embedding-001');
    expect(await found('command-a-03-2025')).toBe('cohere/command-a-03-2025');
    expect(await found('embed-v4.0')).toBe('cohere/embed-v4.0');
    expect(await found('claude-sonnet-4-6')).toBe('anthropic/claude-sonnet-4-6');
    expect(await found('google/command-a-03-2025')).toBe('model_not_found');
  });

  test('without a key for its maker is an error that names the variable', async () => {
    await open({ have: ['google', 'cohere'] });
    await expect(house.models.resolve('gemini-2.5-flash', owner)).rejects.toThrow(/gemini-2\.5-flash is a model of the provider google, which needs an API key.*GOOGLE_API_KEY/);
    await expect(house.models.resolve('cohere/command-a-03-2025', owner)).rejects.toThrow('COHERE_API_KEY');
    house.userKeys.set('guest google', 'AIza-guest');
    expect([await found('gemini-2.5-flash', owner), await found('gemini-2.5-flash', guest)]).toEqual(['no_api_key', 'google/gemini-2.5-flash']);
  });

  test('of OpenAI without a key is refused for the want of a key', async () => {
    await open({ have: ['openai', 'ollama', 'builtin'] });
    expect(await found('gpt-4o')).toBe('no_api_key');
    house.userKeys.set('guest openai', 'sk-guest');
    expect([await found('gpt-4o', owner), await found('gpt-4o', guest)]).toEqual(['no_api_key', 'openai/gpt-4o']);
  });

  test('finds a model that was pulled just now', async () => {
    const ollamaModels = ['llama2:latest'];
    await open({ have: ['ollama'], ollama: { ollamaModels } });
    expect(await found('mistral')).toBe('model_not_found');
    ollamaModels.push('mistral:latest');
    house.pass(2000);
    expect(await found('mistral')).toBe('ollama/mistral:latest');
  });
});

describe('no name means the default', () => {
  const local = { ollamaModels: ['nomic-embed-text:latest', 'llama2:latest'] };

  test('the configured model comes first', async () => {
    await open({ settings: { ...withKey, defaultModel: 'openai/gpt-4' }, ollama: local });
    expect(await found(null)).toBe('openai/gpt-4');
  });

  test('then Ollama on this machine, with a model that chats', async () => {
    await open({ settings: withKey, ollama: local });
    expect(await found(null)).toBe('ollama/llama2:latest');
  });

  test('then a provider whose key is in the environment, for those who may use it', async () => {
    await open({ have: ['openai', 'ollama', 'builtin'], settings: withKey, ollama: { ollamaModels: [] } });
    expect([await found(null, owner), await found(null, guest)]).toEqual(['openai/gpt-4o-mini', 'builtin/parley']);
    house.userKeys.set('guest openai', 'sk-guest');
    expect(await found(null, guest)).toBe('openai/gpt-4o-mini');
  });

  test('then the model to begin with of the maker whose key there is', async () => {
    for (const [maker, model] of [['anthropic', 'claude-haiku-4-5'], ['google', 'gemini-3.8-flash'], ['cohere', 'command-a-03-2025']] as const) {
      await open({ have: [maker, 'builtin'], settings: { [`${maker}ApiKey`]: 'key' } });
      expect(await found(null)).toBe(`${maker}/${model}`);
      if (maker !== 'cohere') await house.close();
    }
  });

  test('then a compatible server, then the built-in responder', async () => {
    await open({ ollama: { ollamaModels: [] }, nearby: { models: ['local-model'] } });
    expect(await found(null)).toBe('nearby/local-model');
    await house.nearby.close();
    house.pass(400_000);
    await found('nobody'); // Lists all providers anew.
    expect(await found(null)).toBe('builtin/parley');
  });

  test('passes over a configured model that does not work', async () => {
    await open({ settings: { defaultModel: 'ollama/llama2' }, nearby: { models: ['local-model'] } });
    expect(await found(null)).toBe('ollama/llama2:latest');
    await house.ollama.close();
    house.pass(20_000);
    await found('nobody'); // Lists all providers anew.
    expect(await found(null)).toBe('nearby/local-model');
  });

  test('keeps to a configured model whose service is only too slow to list', async () => {
    const models = async (): Promise<never> => { throw new ParleyError('provider_timeout'); };
    const slow = { ...createOpenaiCompatibleProvider({ id: 'slow', baseUrl: 'http://127.0.0.1:9/v1', timeoutMs: 300, clock: systemClock }), models };
    await open({ settings: { defaultModel: 'slow/large' }, more: [slow] });
    expect(await found(null)).toBe('slow/large');
  });

  test('is an error when there is no model at all', async () => {
    await open({ have: ['ollama'], ollama: { ollamaModels: [] } });
    expect(await found(null)).toBe('no_model');
  });
});

test('looking names up costs no network once the lists are known', async () => {
  await open({ settings: withKey });
  const names = ['gpt-4o', 'llama2', 'nearby/gpt-4', null];
  for (const name of names) await found(name);
  const asked = house.openai.requests.length + house.ollama.requests.length + house.nearby.requests.length;
  const began = performance.now();
  for (let round = 0; round < 1000; round += 1) for (const name of names) await found(name);
  expect(house.openai.requests.length + house.ollama.requests.length + house.nearby.requests.length).toBe(asked);
  expect((performance.now() - began) / 4000).toBeLessThan(0.5);
});
