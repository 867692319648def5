import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { latestModels, latestModel } from '../core/models/index.ts';
import { AIService, AIServiceError, createApp, type Provider, type Settings } from './index.ts';
import { prepareGround, startPictureService, type Ground } from './testing.ts';

/** A PNG of one pixel. */
const pixel = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');

describe('AIService', () => {
  let ground: Ground;
  let service: AIService;

  beforeEach(async () => {
    ground = await prepareGround();
    service = new AIService({ config: ground.config });
  });
  afterEach(async () => {
    await service.close();
    await ground.clear();
  });

  const usageRows = () => {
    const database = new DatabaseSync(join(ground.dataDir, 'parley.db'), { readOnly: true });
    const rows = database.prepare('select dialect, kind, model, tokens_in, tokens_out, cost_micros, outcome from usage order by created_at').all().map((row) => ({ ...row }));
    database.close();
    return rows;
  };

  const hello = [{ role: 'system' as const, content: 'You are a helpful assistant' }, { role: 'user' as const, content: 'Hello, how are you?' }];

  it('asks the service with every message in order and the settings, and counts what it cost', async () => {
    const answering = ground.openai.next({ pieces: ['I am ', 'fine.'], usage: { tokensIn: 2000, tokensOut: 100 }, model: 'gpt-4o-2024-08-06' });
    const response = await service.chatCompletion(hello, 'openai', 'gpt-4o', { temperature: 0.7, max_tokens: 1000 });
    // 2.5 and 10 dollars a million tokens: the list price of gpt-4o, also of its dated form.
    expect(response).toEqual({ content: 'I am fine.', model: 'gpt-4o-2024-08-06', provider: 'openai', tokensUsed: 2100, cost: 0.006 });
    const { body, headers } = await answering.request;
    expect(body).toMatchObject({ model: 'gpt-4o', messages: hello, temperature: 0.7, max_tokens: 1000 });
    expect(headers.authorization).toBe('Bearer sk-test');
    await service.close();
    expect(usageRows()).toEqual([{ dialect: 'studio', kind: 'chat', model: 'openai/gpt-4o-2024-08-06', tokens_in: 2000, tokens_out: 100, cost_micros: 6000, outcome: 'DELIVERED' }]);
  });

  it('asks OpenAI for its newest model when nothing is named', async () => {
    await service.chatCompletion(hello);
    expect(ground.openai.requests.at(-1)!.body.model).toBe(latestModel('openai')!.model);
    expect(new Set(latestModels.filter(({ kind }) => kind === 'chat').map(({ provider }) => provider))).toEqual(new Set(['openai', 'anthropic', 'google', 'cohere']));
  });

  it('says null where the price or the tokens are not known', async () => {
    ground.openai.next({ usage: null });
    expect(await service.chatCompletion(hello, 'openai', 'gpt-4o')).toMatchObject({ tokensUsed: null, cost: null });
    ground.openai.next({ usage: { tokensIn: 3, tokensOut: 4 }, model: 'gpt-99' });
    expect(await service.chatCompletion(hello, 'openai', 'gpt-4o')).toMatchObject({ model: 'gpt-99', tokensUsed: 7, cost: null });
  });

  it.each([['openai', 'OPENAI_API_KEY'], ['anthropic', 'ANTHROPIC_API_KEY'], ['google', 'GOOGLE_API_KEY'], ['cohere', 'COHERE_API_KEY']])('without a key for %s names %s, and asks nobody', async (provider, variable) => {
    await using keyless = new AIService({ config: { ...ground.config, [variable]: '' } });
    const error = await keyless.chatCompletion(hello, provider as Provider, 'a-model').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AIServiceError);
    expect(error).toMatchObject({ code: 'no_api_key', provider, providerStatus: null, message: expect.stringContaining(variable) });
    expect(ground.openai.requests.filter(({ path }) => path.includes('completions'))).toEqual([]);
  });

  it('takes a key written as in the document for none', async () => {
    await using keyless = new AIService({ config: { ...ground.config, OPENAI_API_KEY: 'your-openai-key' } });
    await expect(keyless.chatCompletion(hello, 'openai', 'gpt-4o')).rejects.toMatchObject({ code: 'no_api_key', message: expect.stringContaining('OPENAI_API_KEY') });
  });

  it('throws the error of the service with its status and message', async () => {
    ground.openai.next({ status: 400, errorMessage: 'This model likes no Mondays.', errorCode: 'monday' });
    const error = await service.chatCompletion(hello, 'openai', 'gpt-4o').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AIServiceError);
    expect(error).toMatchObject({ provider: 'openai', providerStatus: 400, message: expect.stringContaining('This model likes no Mondays.') });
    ground.openai.next({ status: 401, errorMessage: 'Wrong key.', errorCode: 'invalid_api_key' });
    await expect(service.chatCompletion(hello, 'openai', 'gpt-4o')).rejects.toMatchObject({ code: 'invalid_api_key', providerStatus: 401 });
  });

  it.each([
    [[], 'openai', undefined, {}, 'invalid_request'],
    [[{ role: 'robot', content: 'x' }], 'openai', undefined, {}, 'invalid_request'],
    [[{ role: 'user', content: 7 }], 'openai', undefined, {}, 'invalid_request'],
    [[null], 'openai', undefined, {}, 'invalid_request'],
    [hello, 'open/ai', undefined, {}, 'invalid_request'],
    [hello, 'builtin', 'parley', {}, 'no_model'],
    [hello, 'nobody', undefined, {}, 'model_not_found'],
    [hello, 'nobody', 'model', {}, 'model_not_found'],
    [hello, 'openai', 'gpt-4o', { temperature: 'hot' }, 'invalid_request'],
    [hello, 'openai', 'gpt-4o', { max_tokens: 0 }, 'invalid_request'],
    [hello, 'openai', 'gpt-4o', { stop: [] }, 'invalid_request'],
    [hello, 'openai', 'gpt-4o', { creativity: 11 }, 'unsupported_value'],
    [hello, 'openai', 'gpt-4o', { constructor: 1 }, 'unsupported_value'],
  ])('refuses %j of %s %s with %j: %s', async (messages, provider, model, settings, code) => {
    await expect(service.chatCompletion(messages as never, provider, model, settings as Settings)).rejects.toMatchObject({ code });
    expect(ground.openai.requests.filter(({ path }) => path.includes('completions'))).toEqual([]);
  });

  it('streams each piece when the service sends it', async () => {
    const answering = ground.openai.next({ pieces: ['The ', 'whole ', 'answer'], gated: true });
    const pieces: string[] = [];
    const stream = service.streamChatCompletion(hello, 'openai', 'gpt-4o');
    const first = stream.next();
    const request = await answering.request;
    answering.release(1);
    pieces.push((await first).value!.content);
    expect(request.piecesSent).toBe(1);
    answering.release(Infinity);
    for await (const chunk of stream) pieces.push(chunk.content);
    expect(pieces[0]).toBe('The ');
    expect(pieces.join('')).toBe('The whole answer');
  });

  it('closes the connection to the service when the loop is left', async () => {
    const answering = ground.openai.next({ pieces: ['one ', 'two '], gated: true });
    answering.release(1);
    for await (const chunk of service.streamChatCompletion(hello, 'openai', 'gpt-4o')) {
      expect(chunk).toEqual({ content: 'one ' });
      break;
    }
    await (await answering.request).aborted;
    await service.close();
    expect(usageRows()).toMatchObject([{ outcome: 'CANCELLED' }]);
  });

  it('breaks a stream off with an error, and never in silence', async () => {
    ground.openai.next({ pieces: ['half '], fault: { kind: 'cut', after: 1 } });
    const pieces: string[] = [];
    await expect((async () => {
      for await (const { content } of service.streamChatCompletion(hello, 'openai', 'gpt-4o')) pieces.push(content);
    })()).rejects.toMatchObject({ name: 'AIServiceError', code: 'provider_error', provider: 'openai' });
    expect(pieces).toEqual(['half ']);
  });

  it('gives the vector of a text, the same for the same text', async () => {
    const [one, again, other] = [await service.getEmbedding('This is a sample text for embedding'), await service.getEmbedding('This is a sample text for embedding', 'text-embedding-3-small'), await service.getEmbedding('Another text')];
    expect(one).toHaveLength(1536);
    expect(Array.isArray(one)).toBe(true);
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    expect(ground.openai.requests.at(-1)!.body).toMatchObject({ model: 'text-embedding-3-small', input: ['Another text'] });
    await expect(service.getEmbedding('')).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(service.getEmbedding('text', 'ollama/none')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('draws as many pictures as it is asked for', async () => {
    const pictures = await startPictureService(pixel);
    try {
      await using drawing = new AIService({ config: { ...ground.config, OPENAI_BASE_URL: pictures.url } });
      const result = await drawing.generateImageOpenai('A futuristic AI robot in a laboratory', '1024x1792', 'hd', 2);
      expect(result).toMatchObject({ model: 'dall-e-3', size: '1024x1792', revisedPrompt: 'A robot, in oil' });
      expect(result.urls).toHaveLength(2);
      expect(result.url).toBe(result.urls[0]);
      expect(Buffer.from(result.url.slice(result.url.indexOf(',') + 1), 'base64')).toEqual(pixel);
      expect(pictures.asked).toHaveLength(2);
      expect(pictures.asked[0]).toMatchObject({ model: 'dall-e-3', n: 1, prompt: 'A futuristic AI robot in a laboratory', size: '1024x1792', quality: 'hd' });
    } finally {
      pictures.server.close();
    }
  });

  it.each([['', '1024x1024', 'hd', 1], ['x', '1x1', 'hd', 1], ['x', '1024x1024', 'best', 1], ['x', '1024x1024', 'hd', 0], ['x', '1024x1024', 'hd', 1.5]])('draws nothing for %j %s %s %s', async (prompt, size, quality, n) => {
    await expect(service.generateImageOpenai(prompt, size as '1024x1024', quality as 'hd', n)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('draws nothing without a key, and says which variable sets it', async () => {
    await using keyless = new AIService({ config: { ...ground.config, OPENAI_API_KEY: '' } });
    await expect(keyless.generateImageOpenai('A robot')).rejects.toMatchObject({ code: 'no_api_key', message: expect.stringContaining('OPENAI_API_KEY') });
    await expect(keyless.getEmbedding('A robot')).rejects.toMatchObject({ code: 'no_api_key', message: expect.stringContaining('OPENAI_API_KEY') });
  });

  it('runs beside a server on the same data, and on the parts of a server', async () => {
    await using app = await createApp(ground.config);
    expect((await service.chatCompletion(hello, 'openai', 'gpt-4o')).provider).toBe('openai');
    await using inside = new AIService({ app });
    expect((await inside.chatCompletion(hello, 'openai', 'gpt-4o')).provider).toBe('openai');
    await service.close();
    await inside.close();
    expect(await (await fetch(`${app.address}/health`)).json()).toMatchObject({ status: expect.any(String) });
    expect(usageRows()).toHaveLength(2);
  });

  it('acts in the name of a user whose keys pay', async () => {
    await using stranger = new AIService({ config: ground.config, userId: 'nobody' });
    await expect(stranger.chatCompletion(hello)).rejects.toMatchObject({ code: 'not_found' });
    await service.close();
    await expect(service.chatCompletion(hello)).rejects.toMatchObject({ code: 'conflict', message: 'This service was closed.' });
  });
});
