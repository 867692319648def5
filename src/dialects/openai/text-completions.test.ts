import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../testing.ts';

let server: TestServer;
let openai: OpenAI;
beforeAll(async () => {
  server = await startTestServer();
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'local', maxRetries: 0 });
});
afterAll(() => server.stop());

const model = 'scripted/one';

describe('Completions in the old form', () => {
  it('ask a prompt as one message of the user', async () => {
    const asked = openai.completions.create({ model, prompt: 'Once upon', max_tokens: 5, temperature: 0.5, stop: 'END', seed: 7 });
    const call = await server.models.call();
    expect(call.request).toMatchObject({ messages: [{ role: 'user', content: 'Once upon' }], maxTokens: 5, temperature: 0.5, stop: ['END'], seed: 7 });
    call.text(' a');
    call.text(' time');
    call.finish();
    expect(await asked).toEqual({
      id: expect.stringMatching(/^cmpl-/), object: 'text_completion', created: expect.any(Number), model,
      choices: [{ index: 0, text: ' a time', logprobs: null, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    });
  });

  it('answer several prompts, each as often as asked, and repeat them', async () => {
    server.models.answerWith(['!']);
    const { choices, usage } = await openai.completions.create({ model, prompt: ['a', 'b', 'c'], n: 2, echo: true });
    server.models.answerWith(null);
    expect(choices.map(({ index, text }) => [index, text])).toEqual([[0, 'a!'], [1, 'a!'], [2, 'b!'], [3, 'b!'], [4, 'c!'], [5, 'c!']]);
    expect(usage).toEqual({ prompt_tokens: 42, completion_tokens: 18, total_tokens: 60 });
    for (let call = 0; call < 6; call += 1) await server.models.call();
  });

  it('stream in pieces', async () => {
    const asked = openai.completions.create({ model, prompt: 'Once', stream: true, echo: true, stream_options: { include_usage: true } });
    const call = await server.models.call();
    call.text(' upon');
    const chunks = (await asked)[Symbol.asyncIterator]();
    expect((await chunks.next()).value).toMatchObject({ object: 'text_completion', model, choices: [{ index: 0, text: 'Once upon', finish_reason: null }] });
    call.finish();
    expect((await chunks.next()).value).toMatchObject({ choices: [{ text: '', finish_reason: 'stop' }] });
    expect((await chunks.next()).value).toMatchObject({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } });
    expect((await chunks.next()).done).toBe(true);
  });

  it('bring probabilities in the old form', async () => {
    const asked = openai.completions.create({ model, prompt: 'Once', logprobs: 1 });
    const call = await server.models.call();
    expect(call.request.logprobs).toEqual({ top: 1 });
    const entry = (token: string, logprob: number) => ({ token, logprob, bytes: null, top: [{ token, logprob, bytes: null }] });
    call.say({ type: 'text', text: ' a' }, { type: 'logprobs', tokens: [entry(' a', -0.5)] });
    call.say({ type: 'text', text: ' time' }, { type: 'logprobs', tokens: [entry(' ti', -1), entry('me', -2)] }, { type: 'finish', reason: 'length' });
    expect((await asked).choices).toEqual([{
      index: 0, text: ' a time', finish_reason: 'length',
      logprobs: { tokens: [' a', ' ti', 'me'], token_logprobs: [-0.5, -1, -2], top_logprobs: [{ ' a': -0.5 }, { ' ti': -1 }, { me: -2 }], text_offset: [0, 2, 5] },
    }]);
  });

  it.each([
    [{ prompt: [1, 2] }, 'prompt'], [{ prompt: [[1, 2]] }, 'prompt'], [{ best_of: 3 }, 'best_of'], [{ suffix: 'end' }, 'suffix'], [{ echo: true, logprobs: 1 }, 'logprobs'],
    [{ prompt: Array.from({ length: 32 }, () => 'x'), n: 2 }, 'prompt'],
  ])('refuse what they cannot do: %j', async (body, param) => {
    const calls = server.models.calls.length;
    await expect(openai.completions.create({ model, prompt: 'x', ...body })).rejects.toMatchObject({ status: 400, code: 'unsupported_value', param });
    expect(server.models.calls.length).toBe(calls);
  });

  it.each([[true], [false]])('refuse to answer nothing (stream: %s)', async (stream) => {
    await expect(openai.completions.create({ model, prompt: [], stream })).rejects.toMatchObject({ status: 400, param: 'prompt' });
  });

  it('end all answers when one fails, and when the client goes away', async () => {
    const asked = openai.completions.create({ model, prompt: ['a', 'b'] });
    const calls = [await server.models.call(), await server.models.call()];
    calls[0]!.say({ type: 'error', error: { code: 'rate_limited', message: 'Later.', retryAfterMs: 7000, serviceFault: false } });
    await expect(asked).rejects.toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    expect(calls[1]!.signal.aborted).toBe(true);
    const abort = new AbortController();
    const left = openai.completions.create({ model, prompt: 'a', stream: true }, { signal: abort.signal });
    const call = await server.models.call();
    call.text('Hi');
    await left;
    const stopped = new Promise((resolve) => call.signal.addEventListener('abort', resolve));
    abort.abort();
    await stopped;
  });

  it('tell a failure inside the stream once it has begun', async () => {
    const asked = openai.completions.create({ model, prompt: 'a', stream: true });
    const call = await server.models.call();
    call.text('Hi');
    const stream = await asked;
    call.say({ type: 'error', error: { code: 'quota_exceeded', message: 'Used up.', serviceFault: false } });
    await expect((async () => { for await (const _ of stream); })()).rejects.toMatchObject({ code: 'insufficient_quota' });
  });
});

describe('One model', () => {
  it('is found by its id, slashes and all, and missed in the form of OpenAI', async () => {
    for (const path of ['/v1/models/scripted/one', '/v1/models/scripted%2Fone']) {
      expect((await server.request('GET', path)).json).toEqual({ id: model, object: 'model', created: 0, owned_by: 'scripted' });
    }
    for (const path of ['/v1/models/openai/gpt-4o', '/v1/models/openai%2Fgpt-4o', '/v1/models/one/two/three', '/v1/models/gpt-4o']) {
      const { status, json } = await server.request('GET', path);
      expect([status, json]).toEqual([404, { error: { message: expect.stringContaining('does not exist'), type: 'invalid_request_error', param: 'model', code: 'model_not_found' } }]);
    }
  });
});
