import { describe, expect, test } from 'vitest';
import type { ModelRequest } from '../../types.ts';
import { collect, textOf } from '../provider-suite.ts';
import { createBuiltinProvider } from './index.ts';
import type { Surroundings } from './reply.ts';

const absent: Surroundings = { id: 'ollama', kind: 'ollama', state: 'absent', detail: 'Ollama cannot be reached at 127.0.0.1:11434.', howToAdd: 'Install Ollama.', models: [] };
const keyless: Surroundings = { id: 'openai', kind: 'openai', state: 'needs-key', detail: 'OpenAI needs an API key.', howToAdd: 'Add a key.', models: [] };
const ready: Surroundings = { id: 'llama', kind: 'llama', state: 'ready', detail: 'One file.', howToAdd: '', models: [{ id: 'llama/tiny.gguf' }] };

async function ask(question: string, surroundings: Surroundings[] = [absent, keyless], more: Partial<ModelRequest> = {}) {
  const provider = createBuiltinProvider({ surroundings: async () => surroundings });
  const messages = [{ role: 'user' as const, content: question }];
  const events = (await collect(provider.stream({ model: 'parley', messages, ...more }, { signal: new AbortController().signal, apiKey: null }))).flat();
  return { text: textOf(events), end: events.at(-1)!, events };
}

test('says what it is not, to whatever it cannot answer', async () => {
  for (const question of ['What is the capital of France?', 'Who are you?', 'Hello', '']) expect((await ask(question)).text).toContain('I am not a language model');
});

test('gives the same answer to the same question', async () => {
  expect(await ask('help me')).toEqual(await ask('help me'));
});

test('tells what was found and how to add what is missing', async () => {
  const { text } = await ask('How do I set up a model?');
  for (const part of [absent.detail, absent.howToAdd, keyless.detail, 'gguf', 'ollama', 'openai key']) expect(text).toContain(part);
});

test('goes into the way that is asked about, and only into that one', async () => {
  const { text } = await ask('How do I use Ollama?');
  expect(text).toContain('ollama pull');
  expect(text).toContain(absent.detail);
  expect(text).not.toContain(keyless.detail);
  expect((await ask('where do gguf files go?')).text).toContain('models folder');
  expect((await ask('I have an OpenAI key')).text).toContain('Settings');
});

test('sends people to a model that is ready', async () => {
  expect((await ask('What is the capital of France?', [ready])).text).toContain('choose llama/tiny.gguf in the picker');
});

describe('the request', () => {
  test('may bound the answer, stop it, or go on from its beginning', async () => {
    const whole = await ask('Hello');
    const three = await ask('Hello', undefined, { maxTokens: 3 });
    expect(three).toMatchObject({ text: whole.text.split(' ').slice(0, 3).join(' '), end: { type: 'finish', reason: 'length' } });
    expect((await ask('Hello', undefined, { stop: ['not a'] })).text).not.toContain('not a');
    expect((await ask('Hello', undefined, { prefill: 'Hello. I am' })).text).toBe(whole.text.slice('Hello. I am'.length));
  });

  test('comes word by word', async () => {
    const { events } = await ask('Hello');
    expect(events.filter((event) => event.type === 'text').every((event) => /^\s*\S+$/.test(event.text))).toBe(true);
  });

  test('may not ask for tools, unless it says not to use them', async () => {
    const tools = [{ name: 'x', parameters: {} }];
    expect((await ask('Hello', undefined, { tools })).events).toMatchObject([{ type: 'error', error: { code: 'unsupported_value', serviceFault: false } }]);
    expect((await ask('Hello', undefined, { tools, toolChoice: 'none' })).end.type).toBe('finish');
  });
});
