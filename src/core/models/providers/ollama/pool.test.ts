import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../../../base/clock.ts';
import { startStandIn, type StandIn } from '../../../../../test/stand-in/index.ts';
import type { ModelProvider, ReplyEvent } from '../../types.ts';
import { collect, textOf } from '../provider-suite.ts';
import { createOllamaProvider } from './index.ts';

let one: StandIn;
let other: StandIn;
let pool: ModelProvider;
const signal = new AbortController().signal;

beforeEach(async () => {
  one = await startStandIn({ ollamaModels: ['llama2:latest', 'only-here:7b'], otherwise: { pieces: ['one'] } });
  other = await startStandIn({ ollamaModels: ['llama2:latest'], otherwise: { pieces: ['other'] } });
  pool = start(systemClock);
});
afterEach(async () => {
  await pool.stop!();
  await Promise.all([one.close(), other.close()]);
});

function start(clock: Clock): ModelProvider {
  return createOllamaProvider({ urls: [one.url, other.url], timeoutMs: 500, clock });
}

async function ask(model = 'llama2:latest'): Promise<ReplyEvent[]> {
  return (await collect(pool.stream({ model, messages: [{ role: 'user', content: 'Hello' }] }, { signal, apiKey: null }))).flat();
}

const chats = (standIn: StandIn): number => standIn.requests.filter((request) => request.path === '/api/chat').length;

test('lists every model once, with its size and context', async () => {
  const models = await pool.models({ signal, apiKey: null });
  expect(models.map((model) => model.id)).toEqual(['ollama/llama2:latest', 'ollama/only-here:7b']);
  expect(models[0]).toMatchObject({ label: 'llama2', location: 'local', contextLength: 4096, sizeBytes: 3_825_819_519 });
});

test('asks only the instance that has the model', async () => {
  await pool.models({ signal, apiKey: null });
  for (let round = 0; round < 4; round += 1) expect(textOf(await ask('only-here:7b'))).toBe('one');
  expect(chats(other)).toBe(0);
});

test('prefers the instance that begins to answer sooner', async () => {
  one.otherwise({ pieces: ['one'], firstDelayMs: 60 });
  for (let round = 0; round < 8; round += 1) await ask();
  expect(chats(one)).toBe(1);
  expect(chats(other)).toBe(7);
});

test('tries one that was slow once again some minutes later', async () => {
  let time = 0;
  await pool.stop!();
  // Waiting makes the time pass: a delay of the stand-in is no part of it.
  pool = start({ now: () => time, monotonic: () => time });
  one.otherwise(() => {
    time += 5000;
    return { pieces: ['one'] };
  });
  other.otherwise(() => {
    time += 10;
    return { pieces: ['other'] };
  });
  for (let round = 0; round < 6; round += 1) await ask();
  const before = chats(one);
  expect(before).toBeLessThanOrEqual(2);
  for (let round = 0; round < 20; round += 1) {
    time += 30_000;
    await ask();
  }
  expect(chats(one)).toBeGreaterThan(before);
  expect(chats(other)).toBeGreaterThan(chats(one));
});

test('prefers the instance that has the model in memory', async () => {
  other.loaded.add('llama2:latest');
  await pool.models({ signal, apiKey: null });
  expect(textOf(await ask())).toBe('other');
});

test('spreads answers that run at the same time', async () => {
  one.otherwise({ pieces: ['one'], gated: true });
  other.otherwise({ pieces: ['other'], gated: true });
  const answers = Array.from({ length: 6 }, () => ask());
  while (chats(one) + chats(other) < 6) await new Promise(setImmediate);
  one.release(10);
  other.release(10);
  await Promise.all(answers);
  expect([chats(one), chats(other)]).toEqual([3, 3]);
});

describe('when an instance fails before it said anything', () => {
  test('the next one answers, and nobody notices', async () => {
    for (const script of [{ status: 500 }, { fault: { kind: 'cut', after: 0 } }, { silent: true }] as const) {
      one.otherwise(script);
      for (let round = 0; round < 2; round += 1) {
        const events = await ask();
        expect([textOf(events), events.at(-1)]).toEqual(['other', { type: 'finish', reason: 'stop' }]);
      }
    }
  });

  test('also when it is gone, or lacks the model', async () => {
    await one.close();
    expect(textOf(await ask())).toBe('other');
    expect((await pool.models({ signal, apiKey: null })).map((model) => model.model)).toEqual(['llama2:latest']);
  });

  test('it is left alone after five faults in a row, and tried again after a minute', async () => {
    let time = 0;
    await pool.stop!();
    pool = start({ now: () => time, monotonic: () => time });
    one.loaded.add('llama2:latest');
    await pool.models({ signal, apiKey: null });
    one.otherwise({ status: 500 });
    for (let round = 0; round < 10; round += 1) expect(textOf(await ask())).toBe('other');
    expect(chats(one)).toBe(5);
    time = 60_000;
    one.otherwise({ pieces: ['one'] });
    await ask();
    expect(chats(one)).toBe(6);
  });

  test('and all are left alone, it is said that they are, and for how long', async () => {
    let time = 0;
    await pool.stop!();
    pool = start({ now: () => time, monotonic: () => time });
    await pool.models({ signal, apiKey: null });
    one.otherwise({ status: 500 });
    other.otherwise({ status: 500 });
    for (let round = 0; round < 5; round += 1) expect((await ask()).at(-1)).toMatchObject({ type: 'error', error: { code: 'provider_error', status: 500 } });
    time = 20_000;
    expect(await ask()).toEqual([{ type: 'error', error: { code: 'provider_unavailable', message: expect.stringMatching(/failed several times in a row .* left alone for 40 more seconds/), retryAfterMs: 40_000, serviceFault: true } }]);
    await expect(pool.embed!({ model: 'llama2:latest', texts: ['x'] }, { signal, apiKey: null })).rejects.toMatchObject({ code: 'provider_unavailable', retryAfterMs: 40_000 });
    expect(chats(one) + chats(other)).toBe(10);
  });

  test('a faulty request is not taken elsewhere', async () => {
    one.otherwise({ status: 400 });
    other.otherwise({ status: 400 });
    expect((await ask()).at(-1)).toMatchObject({ type: 'error', error: { code: 'invalid_request' } });
    expect(chats(one) + chats(other)).toBe(1);
  });
});

test('an answer that has begun is not begun again elsewhere', async () => {
  one.otherwise({ pieces: ['half', 'lost'], fault: { kind: 'cut', after: 1 } });
  other.otherwise({ pieces: ['half', 'lost'], fault: { kind: 'cut', after: 1 } });
  const events = await ask();
  expect([textOf(events), events.at(-1)!.type]).toEqual(['half', 'error']);
  expect(chats(one) + chats(other)).toBe(1);
});

test('asks for more context only when the conversation needs it', async () => {
  await pool.models({ signal, apiKey: null });
  const sizes: unknown[] = [];
  for (const [length, maxTokens] of [[100, 10], [9000, 10], [12_000, 500], [100_000, 10]] as const) {
    await collect(pool.stream({ model: 'only-here:7b', messages: [{ role: 'user', content: 'x'.repeat(length) }], maxTokens }, { signal, apiKey: null }));
    sizes.push(one.requests.at(-1)!.body.options!['num_ctx']);
  }
  // The model has 4096 tokens, so more is never asked for.
  expect(sizes).toEqual([undefined, undefined, 4096, 4096]);
});

test('without any instance it is switched off, and says so', async () => {
  const none = createOllamaProvider({ urls: [], timeoutMs: 500, clock: systemClock });
  expect(await none.state({ signal, apiKey: null })).toMatchObject({ state: 'absent', detail: 'Ollama is switched off by OLLAMA_URLS=off.' });
  await none.stop!();
});
