import { Validator } from '@cfworker/json-schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grammarText, schemaGrammar } from './json-grammar.ts';
import { openLibrary } from './library.ts';
import { createModelBench, hear, type ModelBench } from './testing.ts';

type Schema = Record<string, unknown>;

/** Texts the grammar of a schema takes, as llama.cpp itself reads it. */
async function taken(schema: Schema, texts: readonly string[]): Promise<string[]> {
  const { rule, rules } = schemaGrammar(schema, 'value', 'response_format');
  const { llama } = await openLibrary('off');
  const grammar = await llama.createGrammar({ grammar: grammarText(rule, rules) });
  const reader = grammar as unknown as { _testText(text: string): boolean };
  return texts.filter((text) => reader._testText(text));
}

const list: Schema = {
  $defs: { node: { type: 'object', properties: { value: { type: 'number' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } }, required: ['value', 'next'] } },
  $ref: '#/$defs/node',
};

describe('a JSON Schema as a grammar', () => {
  const cases: [what: string, schema: Schema, good: string[], bad: string[]][] = [
    [
      'properties in their order, the optional ones or not',
      { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'string' }, c: { type: 'boolean' } }, required: ['b'] },
      ['{"b":"x"}', '{"a": 1, "b": "y"}', '{"a":-12,"b":"é","c":true}', '{\n  "b": "x",\n  "c": false\n}'],
      ['{}', '{"a":1}', '{"b":"x",}', '{"c":true,"b":"x"}', '{"b":"x","d":1}', '{"b":"x" '],
    ],
    ['only optional properties', { properties: { a: { type: 'integer' }, b: { type: 'string' } } }, ['{}', '{"a":1}', '{"b":"s"}', '{"a":1,"b":""}'], ['{,"b":""}', '{"b":"","a":1}']],
    ['schemas that hold themselves', list, ['{"value":1.5e3,"next":{"value":0,"next":null}}'], ['{"value":1}', '{"value":01,"next":null}']],
    ['lengths', { type: 'array', items: { type: 'string', minLength: 1, maxLength: 3 }, minItems: 1, maxItems: 2 }, ['["a"]', '["a","äöü"]'], ['[]', '[""]', '["abcd"]', '["a","a","a"]']],
    ['fixed choices', { enum: ['x\n"', 2, null, { a: [1] }] }, ['"x\\n\\""', '2', 'null', '{"a":[1]}'], ['"x"', '3']],
    ['several types', { type: ['string', 'null'] }, ['"a"', 'null'], ['1']],
    ['formats', { type: 'string', format: 'date-time' }, ['"2026-11-21T06:30:00Z"', '"2026-11-21T06:30:00.5+02:00"'], ['"2026-13-21T06:30:00Z"', '"soon"']],
    ['lengths', { type: 'array', items: { anyOf: [{ type: 'string', minLength: 2, maxLength: 3 }, { type: 'string', minLength: 5 }] } }, ['["ab","abc","abcdefg"]'], ['["a"]', '["abcd"]']],
    ['lengths beyond counting', { type: 'string', minLength: 1e21, maxLength: 1e300 }, [`"${'a'.repeat(200)}"`], ['"a"']],
    ['tuples', { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'string' }], items: false }, ['[1,"a"]'], ['[1]', '[1,"a",2]']],
    ['numbers that are not negative', { type: 'integer', minimum: 0 }, ['0', '12'], ['-1', '01', '1.5']],
    ['integers no longer than can be read back', { type: 'integer' }, ['-999999999999999'], ['1000000000000000', '2899378e34997003']],
    ['any object', { type: 'object' }, ['{}', '{"a":[1,{"b":null}]}'], ['[]', '1']],
    ['maps', { type: 'object', additionalProperties: { type: 'integer' } }, ['{}', '{"a":1,"b":2}'], ['{"a":"x"}']],
    ['schemas put together', { allOf: [{ type: 'object', properties: { a: { const: 1 } }, required: ['a'] }, { properties: { b: { const: 2 } }, required: ['b'] }] }, ['{"a":1,"b":2}'], ['{"a":1}', '{"b":2}']],
    ['text without halves of characters', {}, ['"\\u00e9"', '"\\ud83d"'.slice(0, 3) + '0041"'], ['"\\ud800"', '"\\x41"', '"\u0001"']],
  ];
  it.each(cases)('keeps to %s', async (_what, schema, good, bad) => {
    expect(await taken(schema, [...good, ...bad])).toEqual(good);
  });

  const refusals: [what: string, schema: Schema, message: RegExp][] = [
    ['what excludes', { not: { type: 'string' } }, /has "not"/],
    ['properties by pattern', { type: 'object', properties: { a: { patternProperties: { '^x': {} } } } }, /at \/properties\/a has "patternProperties"/],
    ['references to elsewhere', { $ref: 'https://example.org/schema' }, /lies outside/],
    ['references to nothing', { $ref: '#/$defs/absent' }, /is not there/],
    ['references that cannot be read', { properties: { a: { $ref: '#/%E0%A4%A' } } }, /at \/properties\/a refers to .* not there/],
    ['references to themselves alone', { $defs: { a: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }, /without end/],
    ['unknown types', { type: 'date' }, /none of JSON/],
    ['no value at all', { enum: [] }, /allows no value/],
    ['too many choices', { enum: Array.from({ length: 1001 }, (_, index) => index) }, /more than 1000 choices/],
    ['endless nesting', Array.from({ length: 40 }).reduce<Schema>((inner) => ({ type: 'array', items: inner }), {}), /more than 32 deep/],
    ['lengths that add up', { type: 'array', items: { anyOf: Array.from({ length: 200 }, (_, index) => ({ type: 'string', minLength: index % 100, maxLength: 101 + (index % 99) })) } }, /come to more than 20000/],
    ['endless lists', { type: 'array', minItems: 100_000 }, /more than 200 items/],
  ];
  it.each(refusals)('refuses %s and says where', (_what, schema, message) => {
    expect(() => schemaGrammar(schema, 'value', 'response_format')).toThrow(expect.objectContaining({ code: 'unsupported_value', parameter: 'response_format', message: expect.stringMatching(message) }));
  });
});

describe('answers of a model that talks nonsense', () => {
  let bench: ModelBench;
  beforeAll(() => {
    bench = createModelBench();
    bench.write('random', { contextTokens: 4096 });
  });
  afterAll(async () => {
    await bench.stop();
    bench.remove();
  });

  const person: Schema = {
    type: 'object',
    properties: {
      name: { type: 'string', maxLength: 12 },
      age: { type: 'integer', minimum: 0 },
      size: { type: 'number' },
      mood: { enum: ['glad', 'sad'] },
      born: { type: 'string', format: 'date' },
      friends: { type: 'array', items: { type: 'object', properties: { name: { type: 'string', maxLength: 5 } }, required: ['name'], additionalProperties: false }, maxItems: 3 },
      note: { anyOf: [{ type: 'null' }, { type: 'string', maxLength: 8 }] },
    },
    required: ['name', 'age', 'size', 'mood', 'friends', 'note'],
    additionalProperties: false,
  };

  it('keep to the schema whenever they are complete', async () => {
    const provider = bench.open({ contextTokens: 4096, sequences: 4 });
    const validator = new Validator(person as never, '2020-12');
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, seed) =>
        hear(provider, { model: 'random', seed, temperature: 1, maxTokens: 1500, responseFormat: { type: 'json_schema', name: 'person', schema: person, strict: true } }),
      ),
    );
    for (const { text, end } of answers) {
      expect(end, text).toBe('stop');
      expect(validator.validate(JSON.parse(text)), text).toMatchObject({ valid: true });
    }
    expect(new Set(answers.map(({ text }) => text)).size).toBe(10);
  });

  it('are the beginning of JSON where they had to stop', async () => {
    const provider = bench.open();
    const { text, end } = await hear(provider, { model: 'random', seed: 3, temperature: 1, maxTokens: 5, responseFormat: { type: 'json_schema', name: 'person', schema: person } });
    expect(end).toBe('length');
    expect(text).toMatch(/^\{/);
  });
});
