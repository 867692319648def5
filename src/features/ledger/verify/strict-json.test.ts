import { describe, expect, it, test } from 'vitest';
import { parseStrictJson, StrictJsonError } from './strict-json.ts';

describe('JSON that is read strictly', () => {
  test.each([
    '{"a":[1,-0.5e3,true,false,null,"\\u00e9\\n\\ud83d\\ude00"],"b":{}}', ' [ ] ', '"x"', '0', '{"__proto__":1,"constructor":2}', '[[[{"a":{"b":[]}}]]]',
  ])('is what JSON.parse makes of it: %s', (text) => {
    expect(parseStrictJson(text)).toEqual(JSON.parse(text));
  });

  test.each([
    '', '{', '[1,]', '{"a":1,}', '{a:1}', "{'a':1}", '01', '1.', '.5', '+1', 'NaN', 'Infinity', 'tru', '"\t"', '"\\x"', '"\\u12"', '[1]]', '1 2', '[1 2]', '{"a" 1}', '\u00a01', '/*x*/1',
  ])('refuses what JSON.parse refuses: %j', (text) => {
    expect(() => JSON.parse(text) as unknown).toThrow();
    expect(() => parseStrictJson(text)).toThrow(StrictJsonError);
  });

  it('refuses two members of one name, also when one is written with escapes', () => {
    expect(() => parseStrictJson('{"text":"yes","text":"no"}')).toThrow(/two members are named "text"/);
    expect(() => parseStrictJson('{"text":"yes","t\\u0065xt":"no"}')).toThrow(/two members/);
    expect(() => parseStrictJson('[{"a":{"b":1,"b":1}}]')).toThrow(/two members/);
  });

  it('refuses unpaired surrogates, numbers without end, and nesting without end', () => {
    expect(() => parseStrictJson('"\\ud800"')).toThrow(/surrogate/);
    expect(() => parseStrictJson('1e999')).toThrow(/too large/);
    expect(() => parseStrictJson('['.repeat(1_000_000))).toThrow(/nested deeper/);
  });
});
