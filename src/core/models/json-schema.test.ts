import { describe, expect, test } from 'vitest';
import { createSchemaCheck } from './json-schema.ts';

const place = {
  type: 'object',
  properties: { city: { type: 'string', minLength: 1 }, size: { type: ['integer', 'null'] }, near: { type: 'array', items: { $ref: '#' } } },
  required: ['city'],
  additionalProperties: false,
};

const complaint = (schema: Record<string, unknown>, value: unknown): string => createSchemaCheck(schema).complaint(typeof value === 'string' ? value : JSON.stringify(value));

describe('a text', () => {
  test('that fits has nothing wrong with it', () => {
    for (const value of [{ city: 'Graz' }, { city: 'Graz', size: null }, { city: 'Graz', near: [{ city: 'Wien', near: [] }] }]) expect(complaint(place, value)).toBe('');
  });

  test('that does not fit is told where and why', () => {
    expect(complaint(place, '{"city":')).toBe('it is no JSON');
    expect(complaint(place, 'Here it is: {"city":"Graz"}')).toBe('it is no JSON');
    expect(complaint(place, { city: 7 })).toContain('at #/city');
    expect(complaint(place, {})).toContain('city');
    expect(complaint(place, { city: 'Graz', country: 'at' })).not.toBe('');
    expect(complaint(place, { city: 'Graz', near: [{ city: 'Wien' }, {}] })).toContain('at #/near/1');
  });

  test('is held against every part of the schema', () => {
    expect(complaint({ anyOf: [{ const: 1 }, { enum: ['a'] }] }, '"a"')).toBe('');
    expect(complaint({ anyOf: [{ const: 1 }, { enum: ['a'] }] }, '2')).not.toBe('');
    expect(complaint({ pattern: '^\\d+$' }, '"12"')).toBe('');
    expect(complaint({ pattern: '^\\d+$' }, '"x"')).not.toBe('');
    expect(complaint({ $defs: { positive: { exclusiveMinimum: 0 } }, items: { $ref: '#/$defs/positive' } }, '[1,-1]')).toContain('#/1');
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

  test('with an expression of another dialect is used without it', () => {
    expect(complaint({ type: 'string', pattern: '\\-[' }, '"anything"')).toBe('');
  });

  // What would take hours or the whole stack is ended by the clock; each of these takes at most that long.
  test('cannot hold the server up: not by its expressions, its references or its size', () => {
    const doubled: Record<string, unknown> = { last: { type: 'object' } };
    for (let level = 0; level < 40; level += 1) doubled[`n${level}`] = { allOf: [0, 1].map(() => ({ $ref: level === 39 ? '#/$defs/last' : `#/$defs/n${level + 1}` })) };
    const hostile: [Record<string, unknown>, string, RegExp][] = [
      [{ pattern: '^(a+)+$' }, JSON.stringify(`${'a'.repeat(60)}!`), /longer than 250 ms/],
      [{ $defs: doubled, $ref: '#/$defs/n0' }, '{}', /longer than 250 ms/],
      [{ uniqueItems: true }, JSON.stringify(Array.from({ length: 200_000 }, (_item, index) => ({ index }))), /longer than 250 ms/],
      [{ $ref: '#' }, '{}', /refers to itself/],
    ];
    for (const [schema, text, words] of hostile) {
      const began = performance.now();
      expect(createSchemaCheck(schema).complaint(text)).toMatch(words);
      expect(performance.now() - began).toBeLessThan(3000);
    }
    expect(complaint({ type: 'string' }, '"still here"')).toBe('');
  });
});
