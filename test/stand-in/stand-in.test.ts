import { afterEach, expect, test } from 'vitest';
import { startStandIn, type StandIn, type StandInOptions } from './index.ts';
import { readUntil } from '../read-until.ts';

let standIn: StandIn;
const start = async (options?: StandInOptions): Promise<void> => { standIn = await startStandIn(options); };
afterEach(() => standIn.close());

const post = (path: string, body: object, signal?: AbortSignal): Promise<Response> =>
  fetch(standIn.url + path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' }, ...(signal ? { signal } : {}) });

test('speaks the OpenAI stream: role, pieces, finish reason, usage when asked for, [DONE]', async () => {
  await start();
  standIn.next({ pieces: ['a', 'b'] });
  const text = await (await post('/v1/chat/completions', { model: 'gpt-4o', stream: true, stream_options: { include_usage: true } })).text();
  const events = text.split('\n\n').filter(Boolean).map((event) => event.slice('data: '.length));
  expect(events.at(-1)).toBe('[DONE]');
  const chunks = events.slice(0, -1).map((event) => JSON.parse(event) as { choices: { delta: { content?: string }; finish_reason: string | null }[]; usage?: object });
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? null)).toEqual(['', 'a', 'b', null, null]);
  expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe('stop');
  expect(chunks.at(-1)!).toMatchObject({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 2 } });
});

test("speaks Ollama's JSON lines, lists and shows its models", async () => {
  await start({ ollamaModels: ['llama2:latest'], contextLength: 2048 });
  const lines = (await (await post('/api/chat', { model: 'llama2' })).text()).trim().split('\n').map((line) => JSON.parse(line) as { done: boolean; message: { content: string } });
  expect(lines.map((line) => line.message.content).join('')).toBe('Hello from the stand-in.');
  expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'stop', eval_count: 5 });
  expect(await (await fetch(`${standIn.url}/api/tags`)).json()).toMatchObject({ models: [{ name: 'llama2:latest' }] });
  expect(await (await post('/api/show', { model: 'llama2' })).json()).toMatchObject({ model_info: { 'llama.context_length': 2048 } });
});

test('a gated answer sends exactly as many pieces as were released', async () => {
  await start();
  const answer = standIn.next({ pieces: ['one', 'two'], gated: true });
  const response = await post('/v1/chat/completions', { model: 'gpt-4o', stream: true });
  const request = await answer.request;
  expect(request.piecesSent).toBe(0);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  answer.release();
  let seen = await readUntil(reader, 'one');
  expect(seen).not.toContain('two');
  answer.release(Infinity);
  for (let next = await reader.read(); !next.done; next = await reader.read()) seen += next.value;
  expect(seen).toContain('two');
  expect(request.abortedAt).toBeNull();
});

test('notices when the client leaves, and does not take its own cut for that', async () => {
  await start();
  const abort = new AbortController();
  const silent = standIn.next({ silent: true });
  const left = post('/v1/chat/completions', { model: 'gpt-4o', stream: true }, abort.signal).catch(() => 'left');
  const request = await silent.request;
  abort.abort();
  await request.aborted;
  expect(await left).toBe('left');

  const cut = standIn.next({ fault: { kind: 'cut', after: 1 } });
  await post('/v1/chat/completions', { model: 'gpt-4o', stream: true }).then((response) => response.text()).catch(() => 'cut');
  const second = await cut.request;
  await second.over;
  expect([second.piecesSent, second.abortedAt]).toEqual([1, null]);
});

test('refuses as the true services do', async () => {
  await start({ apiKey: 'right' });
  expect((await post('/v1/chat/completions', { model: 'gpt-4o' })).status).toBe(401);
  standIn.next({ status: 429, headers: { 'retry-after': '3' } });
  const limited = await post('/api/chat', { model: 'llama2' });
  expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '3']);
  expect((await post('/api/chat', { model: 'nobody' })).status).toBe(404);
});
