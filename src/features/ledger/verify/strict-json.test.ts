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

  it('reads texts of any length', () => {
    for (const text of ['x'.repeat(20_000_000), '"\n'.repeat(1_000_000)]) expect(parseStrictJson(JSON.stringify(text)) === text).toBe(true);
  });

  it('refuses numbers of which a reader with longer numbers would show more than is hashed', () => {
    for (const number of ['9007199254740993', '0.1000000000000000055', '1e-400', '42.00000000000000000001', `1${'0'.repeat(500)}`.slice(0, 300) + '1']) expect(() => parseStrictJson(number), number).toThrow(/more digits/);
    for (const number of ['9007199254740992', '1.50', '15e-1', '0.0', '-0', '1E+2', '5e-324', '0.30000000000000004', '1.7976931348623157e308', '123456789012345680000']) expect(parseStrictJson(number), number).toBe(Number(number));
  });

  it('refuses unpaired surrogates, numbers without end, and nesting without end', () => {
    expect(() => parseStrictJson('"\\ud800"')).toThrow(/surrogate/);
    expect(() => parseStrictJson('1e999')).toThrow(/too large/);
    expect(() => parseStrictJson('['.repeat(1_000_000))).toThrow(/nested deeper/);
  });
});
