import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../../base/clock.ts';
import { asParleyError } from '../../../../base/errors.ts';
import { pngSize, startStandIn, type StandIn } from '../../../../../test/stand-in/index.ts';
import { readPictureUrl } from '../../pictures.ts';
import type { DrawRequest, DrawResult, ModelProvider } from '../../types.ts';
import { createOpenaiProvider } from './index.ts';

let standIn: StandIn;
let provider: ModelProvider;
const signal = new AbortController().signal;

beforeEach(async () => {
  standIn = await startStandIn({ apiKey: 'sk-1' });
  provider = createOpenaiProvider({ baseUrl: `${standIn.url}/v1`, timeoutMs: 500, clock: systemClock });
});
afterEach(async () => {
  await provider.stop!();
  await standIn.close();
});

const draw = (more: Partial<DrawRequest>, apiKey: string | null = 'sk-1', abort = signal): Promise<DrawResult> =>
  provider.draw!({ model: 'dall-e-3', prompt: 'a white wall', ...more }, { signal: abort, apiKey });
const codeOf = (drawing: Promise<unknown>): Promise<unknown> => drawing.then(() => 'drawn', (thrown: unknown) => asParleyError(thrown).code);
/** Width and height of a drawn picture, out of its own bytes. */
const sizeOf = (url: string): string => {
  const picture = readPictureUrl(url);
  return picture?.kind === 'data' ? pngSize(Buffer.from(picture.base64, 'base64')) : '';
};

test('draws as many pictures as asked, each by a request of its own, of the size that was asked for', async () => {
  const { pictures, size } = await draw({ count: 3, size: '1024x1792', quality: 'hd' });
  expect(pictures.map(({ url }) => sizeOf(url))).toEqual(['1024x1792', '1024x1792', '1024x1792']);
  expect([size, pictures[0]!.revisedPrompt]).toEqual(['1024x1792', 'A picture of a white wall']);
  expect(standIn.requests.map(({ body }) => body)).toEqual(Array.from({ length: 3 }, () => ({ model: 'dall-e-3', prompt: 'a white wall', n: 1, size: '1024x1792', quality: 'hd', response_format: 'b64_json' })));
});

test('gives the address at the service when that is asked for, and fetches nothing from there', async () => {
  const { pictures } = await draw({ asData: false });
  expect(pictures).toEqual([{ url: `${standIn.url}/pictures/1024x1024.png`, revisedPrompt: 'A picture of a white wall' }]);
  expect(standIn.requests.map(({ path }) => path)).toEqual(['/v1/images/generations']);
  expect(pngSize(Buffer.from(await (await fetch(pictures[0]!.url)).arrayBuffer()))).toBe('1024x1024');
});

test('asks models of the newer kind in their own words, and tells their tokens', async () => {
  const drawn = await draw({ model: 'gpt-image-1', count: 2, quality: 'standard', size: '1024x1536', asData: false });
  expect(drawn).toMatchObject({ size: '1024x1536', tokensIn: 24, tokensOut: 2112 });
  expect(sizeOf(drawn.pictures[1]!.url)).toBe('1024x1536');
  expect(standIn.requests[0]!.body).toEqual({ model: 'gpt-image-1', prompt: 'a white wall', n: 1, size: '1024x1536', quality: 'medium' });
});

test('fails as a whole when one picture fails, and breaks the others off', async () => {
  const silent = standIn.next({ endpoint: 'images', silent: true });
  standIn.next({ endpoint: 'images', status: 400, errorCode: 'content_policy_violation', errorMessage: 'Your request was rejected by the safety system.' });
  const drawing = draw({ count: 3 });
  expect(await codeOf(drawing)).toBe('invalid_request');
  await expect(drawing).rejects.toThrow(/rejected by the safety system/);
  await (await silent.request).aborted;
});

test('draws nothing in place of a picture: without one in the answer, with something else, without an answer', async () => {
  for (const body of ['{}', '{"data":[]}', '{"data":[{"b64_json":"SGVsbG8="}]}', '{"data":[{"url":"javascript:alert(1)"}]}', 'null', '[']) {
    standIn.next({ endpoint: 'images', raw: [body], headers: { 'content-type': 'application/json' } });
    expect(await codeOf(draw({})), body).toBe('provider_error');
  }
  standIn.next({ endpoint: 'images', silent: true });
  expect(await codeOf(draw({}))).toBe('provider_timeout');
});

test('needs a key that is one, a prompt, and a number of pictures', async () => {
  expect(await codeOf(draw({}, 'sk-wrong'))).toBe('invalid_api_key');
  expect(await codeOf(draw({}, 'sk\n1'))).toBe('invalid_api_key');
  const asked = standIn.requests.length;
  for (const bad of [{ prompt: ' ' }, { prompt: 'x'.repeat(32_001) }, { count: 0 }, { count: 11 }, { count: 1.5 }]) expect(await codeOf(draw(bad))).toBe('invalid_request');
  expect(standIn.requests).toHaveLength(asked);
});

test('stops when it is told to', async () => {
  const abort = new AbortController();
  const silent = standIn.next({ endpoint: 'images', silent: true });
  const drawing = codeOf(draw({}, 'sk-1', abort.signal));
  const request = await silent.request;
  abort.abort();
  expect(await drawing).toBe('cancelled');
  await request.aborted;
});

test('lists the models that draw, and only as such', async () => {
  const models = await provider.models({ signal, apiKey: 'sk-1' });
  expect(models.filter(({ kinds }) => kinds.includes('image')).map(({ model, kinds }) => [model, kinds])).toEqual([['dall-e-3', ['image']], ['gpt-image-1', ['image']]]);
});
