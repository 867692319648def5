import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Script } from '../../../test/stand-in/index.ts';
import { collect, textOf, usageOf } from './providers/provider-suite.ts';
import { chats, openHouse, owner, question, type House } from './testing.ts';
import type { ModelRequest, ReplyEvent, ResponseFormat } from './types.ts';

let house: House;
beforeEach(async () => { house = await openHouse(); });
afterEach(() => house.close());

const place: ResponseFormat = { type: 'json_schema', name: 'place', schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }, strict: true };
const good = '{"city":"Graz"}';

/** Asks while the service answers with these scripts, one after the other. */
async function ask(scripts: Script[], responseFormat: ResponseFormat, more: Partial<ModelRequest> = {}): Promise<ReplyEvent[]> {
  for (const script of scripts) house.nearby.next(script);
  const target = await house.models.resolve('nearby/gpt-4o', owner);
  const request = { ...question, responseFormat, ...more };
  return (await collect(house.models.reply(target, request, owner, new AbortController().signal))).flat();
}

const says = (...pieces: string[]): Script => ({ pieces, usage: { tokensIn: 10, tokensOut: 2 } });
const refused = { type: 'error', error: { code: 'provider_error', parameter: 'response_format', serviceFault: false } };

describe('a whole answer', () => {
  const whole = { whole: true };

  test('that fits is given as it came', async () => {
    const events = await ask([says(good)], place, whole);
    expect([textOf(events), usageOf(events), events.at(-1)]).toEqual([good, { tokensIn: 10, tokensOut: 2 }, { type: 'finish', reason: 'stop' }]);
  });

  test('that does not fit is asked for again, and what all tries used is told', async () => {
    const events = await ask([says('Sorry'), says('{"city":7}'), says(good)], place, whole);
    expect([textOf(events), usageOf(events)]).toEqual([good, { tokensIn: 30, tokensOut: 6 }]);
    expect(events.filter((event) => event.type === 'usage')).toHaveLength(1);
  });

  test('that never fits is an error after three tries, and no fault of the service', async () => {
    const events = await ask([says('Sorry'), says('{}'), says('{"city":7}'), says(good)], place, whole);
    expect(events).toMatchObject([{ type: 'usage', usage: { tokensIn: 30, tokensOut: 6 } }, refused]);
    expect((events.at(-1) as { error: { message: string } }).error.message).toMatch(/the schema "place", 3 times in a row: at #\/city/);
    expect(chats(house.nearby)).toBe(3);
    expect((await house.models.providers(owner)).find(({ id }) => id === 'nearby')!.breaker.failures).toBe(0);
  });

  test('must be an object where JSON alone is asked for', async () => {
    const json: ResponseFormat = { type: 'json_object' };
    expect(textOf(await ask([says('[1]'), says('{"a":1}')], json, whole))).toBe('{"a":1}');
    expect(await ask([says('no'), says('7'), says('null')], json, whole)).toMatchObject([{}, refused]);
  });

  test('that is something else than the text asked for is left alone', async () => {
    const others: Script[] = [
      { pieces: ['{"ci'], finish: 'length' }, { pieces: ['{"ci'], finish: 'content_filter' }, { refusal: 'I cannot say.' },
      { toolCalls: [{ id: 'call_a', name: 'weather', argumentPieces: ['{}'] }] },
    ];
    for (const script of others) expect((await ask([script], place, whole)).at(-1)).toMatchObject({ type: 'finish' });
    expect(chats(house.nearby)).toBe(others.length);
  });

  test('goes on with what was there before', async () => {
    expect((await ask([says('"Graz"}')], place, { whole: true, prefill: '{"city":' })).at(-1)).toEqual({ type: 'finish', reason: 'stop' });
  });
});

describe('a streamed answer', () => {
  test('comes as it is made, and passes when it fits', async () => {
    const events = await ask([says('{"city":', '"Graz"}')], place);
    expect([textOf(events), events.at(-1)]).toEqual([good, { type: 'finish', reason: 'stop' }]);
  });

  test('that does not fit a strict schema ends with an error, and is not asked for again', async () => {
    const events = await ask([says('{"city":', '7}')], place);
    expect([textOf(events), usageOf(events)]).toEqual(['{"city":7}', { tokensIn: 10, tokensOut: 2 }]);
    expect(events.at(-1)).toMatchObject(refused);
    expect(events.filter((event) => event.type === 'finish')).toEqual([]);
    expect(chats(house.nearby)).toBe(1);
  });

  test('that does not fit passes where nothing binds it', async () => {
    for (const format of [{ ...place, strict: false }, { type: 'json_object' as const }]) {
      expect((await ask([says('words')], format)).at(-1)).toEqual({ type: 'finish', reason: 'stop' });
    }
  });
});

test('a schema that cannot be used is refused before anybody is asked', async () => {
  const events = await ask([], { type: 'json_schema', name: 'x', schema: { $ref: 'http://127.0.0.1/x' } });
  expect(events).toMatchObject([{ type: 'error', error: { code: 'invalid_request', parameter: 'response_format' } }]);
  expect(chats(house.nearby)).toBe(0);
});
