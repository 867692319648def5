import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, expect, test } from 'vitest';
import { createSchemaCheck } from './json-schema.ts';

const place = {
  type: 'object',
  properties: { city: { type: 'string', minLength: 1 }, size: { type: ['integer', 'null'] }, near: { type: 'array', items: { $ref: '#' } } },
  required: ['city'],
  additionalProperties: false,
};

const { signal } = new AbortController();
const complaint = (schema: Record<string, unknown>, value: unknown): Promise<string> =>
  createSchemaCheck(schema).complaint(typeof value === 'string' ? value : JSON.stringify(value), signal);

describe('a text', () => {
  test('that fits has nothing wrong with it', async () => {
    for (const value of [{ city: 'Graz' }, { city: 'Graz', size: null }, { city: 'Graz', near: [{ city: 'Wien', near: [] }] }]) expect(await complaint(place, value)).toBe('');
  });

  test('that does not fit is told where and why', async () => {
    expect(await complaint(place, '{"city":')).toBe('it is no JSON');
    expect(await complaint(place, 'Here it is: {"city":"Graz"}')).toBe('it is no JSON');
    expect(await complaint(place, { city: 7 })).toContain('at #/city');
    expect(await complaint(place, {})).toContain('city');
    expect(await complaint(place, { city: 'Graz', country: 'at' })).not.toBe('');
    expect(await complaint(place, { city: 'Graz', near: [{ city: 'Wien' }, {}] })).toContain('at #/near/1');
  });

  test('is held against every part of the schema', async () => {
    expect(await complaint({ anyOf: [{ const: 1 }, { enum: ['a'] }] }, '"a"')).toBe('');
    expect(await complaint({ anyOf: [{ const: 1 }, { enum: ['a'] }] }, '2')).not.toBe('');
    expect(await complaint({ pattern: '^\\d+$' }, '"12"')).toBe('');
    expect(await complaint({ pattern: '^\\d+$' }, '"x"')).not.toBe('');
    expect(await complaint({ $defs: { positive: { exclusiveMinimum: 0 } }, items: { $ref: '#/$defs/positive' } }, '[1,-1]')).toContain('#/1');
  });
});

describe('a schema', () => {
  test('is left as it was given', () => {
    const given = { type: 'object', properties: { name: { pattern: '\\-' } } };
    const before = structuredClone(given);
    createSchemaCheck(given);
    expect(given).toEqual(before);
    expect(Reflect.ownKeys(given)).toEqual(Reflect.ownKeys(before));
  });

  test('that leads outside, nowhere or too deep is refused, by the name of its field', () => {
    let deep: Record<string, unknown> = {};
    for (let level = 0; level < 100; level += 1) deep = { items: deep };
    const bad: Record<string, unknown>[] = [
      { $ref: 'http://127.0.0.1/other.json' }, { properties: { a: { $ref: '#/$defs/none' } } }, deep, { $id: 'http://[' },
      { patternProperties: { '(': {} } }, { enum: ['x'.repeat(300_000)] },
    ];
    for (const schema of bad) {
      expect(() => createSchemaCheck(schema), JSON.stringify(schema).slice(0, 80)).toThrow(expect.objectContaining({ code: 'invalid_request', parameter: 'response_format' }));
    }
  });

  test('with an expression of another dialect is used without it', async () => {
    expect(await complaint({ type: 'string', pattern: '\\-[' }, '"anything"')).toBe('');
  });

  test('whose parts have addresses of their own, or that has too many of them, is refused at once', () => {
    let named: Record<string, unknown> = { type: 'string' };
    for (let level = 0; level < 30; level += 1) named = { $id: `level${level}/`, items: named };
    const parts = (count: number): Record<string, unknown> => Object.fromEntries(Array.from({ length: count }, (_part, index) => [`p${index}`, {}]));
    const hostile: Record<string, unknown>[] = [
      named, { properties: { ['k'.repeat(100_000)]: { properties: parts(8000) } } }, { anyOf: Array.from({ length: 80_000 }, () => ({})) },
      { $id: `https://schemas.example/${'x'.repeat(100_000)}`, properties: parts(1000) },
    ];
    for (const schema of hostile) {
      const began = performance.now();
      expect(() => createSchemaCheck(schema)).toThrow(expect.objectContaining({ code: 'invalid_request', parameter: 'response_format' }));
      expect(performance.now() - began).toBeLessThan(500);
    }
    expect(() => createSchemaCheck({ $id: 'https://schemas.example/place', id: 7, properties: parts(5000) })).not.toThrow();
  });

  test('is prepared once, however often it is asked for', () => {
    expect(createSchemaCheck(place)).toBe(createSchemaCheck(place));
  });
});

describe('a check that takes long', () => {
  const doubled: Record<string, unknown> = { last: { type: 'object' } };
  for (let level = 0; level < 40; level += 1) doubled[`n${level}`] = { allOf: [0, 1].map(() => ({ $ref: level === 39 ? '#/$defs/last' : `#/$defs/n${level + 1}` })) };
  const slow = (): Record<string, unknown> => ({ pattern: '^(a+)+$' });
  const text = JSON.stringify(`${'a'.repeat(60)}!`);

  // What would take hours or the whole stack is ended by the clock.
  test('is ended: for its expressions, its references or its size', async () => {
    const hostile: [Record<string, unknown>, string, RegExp][] = [
      [slow(), text, /longer than 250 ms/],
      [{ $defs: doubled, $ref: '#/$defs/n0' }, '{}', /longer than 250 ms/],
      [{ uniqueItems: true }, JSON.stringify(Array.from({ length: 200_000 }, (_item, index) => ({ index }))), /longer than 250 ms/],
      [{ $ref: '#' }, '{}', /refers to itself/],
    ];
    for (const [schema, given, words] of hostile) expect(await complaint(schema, given)).toMatch(words);
    expect(await complaint({ type: 'string' }, '"still here"')).toBe('');
  });

  test('that is long and not hostile is made to its end', async () => {
    const names = Array.from({ length: 30_000 }, (_item, index) => `n${index}`);
    expect(await complaint({ items: { type: 'string' } }, names)).toBe('');
    expect(await complaint({ items: { type: 'string' } }, [...names, 7])).toContain('#/30000');
  });

  test('holds nobody up: it is made by a thread of its own', async () => {
    const check = createSchemaCheck(slow());
    const held = monitorEventLoopDelay({ resolution: 1 });
    await check.complaint(text, signal);
    held.enable();
    const complaints = await Promise.all(Array.from({ length: 4 }, () => check.complaint(text, signal)));
    held.disable();
    expect(complaints).toEqual(Array.from({ length: 4 }, () => expect.stringMatching(/longer than 250 ms/) as string));
    // In this thread each of them would take 250 ms; half of that leaves room for a machine that does other things, too.
    expect(held.max / 1e6).toBeLessThan(125);
  });

  test('is not waited for when nobody needs it any more, and the next one is made', async () => {
    const leaving = new AbortController();
    const check = createSchemaCheck(slow());
    await check.complaint(text, signal);
    const waiting = [check.complaint(text, leaving.signal), check.complaint(text, leaving.signal)];
    const began = performance.now();
    leaving.abort();
    await Promise.all(waiting);
    expect(performance.now() - began).toBeLessThan(100);
    expect(await check.complaint('"aaa"', signal)).toBe('');
  });

  test('has a place in a line that ends', async () => {
    const leaving = new AbortController();
    const check = createSchemaCheck(slow());
    await check.complaint(text, signal);
    const waiting = Array.from({ length: 40 }, () => check.complaint(text, leaving.signal));
    expect(await waiting.at(-1)).toContain('too many');
    leaving.abort();
    await Promise.all(waiting);
  });
});
