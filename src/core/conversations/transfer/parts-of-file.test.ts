import { describe, expect, it } from 'vitest';
import { FileSplitter, type FilePart } from './parts-of-file.ts';

/** The parts of a text that comes in pieces of so many bytes. */
function partsOf(text: string, pieceBytes: number, maxBytes = 1000, maxDepth = 8): FilePart[] {
  const splitter = new FileSplitter(maxBytes, maxDepth);
  const bytes = Buffer.from(text);
  const parts: FilePart[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) parts.push(...splitter.push(bytes.subarray(at, at + pieceBytes)));
  return [...parts, ...splitter.end()];
}
const values = (parts: readonly FilePart[]): unknown[] => parts.map((part) => (part.kind === 'element' ? JSON.parse(part.text) : part.kind === 'field' ? { [part.name]: JSON.parse(part.text) } : part));

const odd = { text: 'brackets ]}[{ , : and "quotes\\" \\\\ in words', 'conver]sations': [[], {}, [[1]], { a: { b: [] } }], ключ: '😀 \\u0041' };

describe.each([1, 2, 3, 7, 64, 100_000])('A file that comes in pieces of %i bytes', (size) => {
  it('is a list, taken apart into its elements', () => {
    const list = [odd, {}, [], 'text, with ] and "', -1.5e3, true, null, { nested: [odd] }];
    for (const spaces of [undefined, 2]) expect(values(partsOf(JSON.stringify(list, null, spaces), size))).toEqual(list);
    expect(partsOf(' [ ] ', size)).toEqual([]);
    expect(values(partsOf('\ufeff[1 ,2]', size))).toEqual([1, 2]);
  });

  it('is an object, with fields and its list of conversations', () => {
    const file = { format: 'x', version: 1, deep: { list: [1] }, conversations: [odd, 7], after: 'the end' };
    for (const spaces of [undefined, 1]) expect(values(partsOf(JSON.stringify(file, null, spaces), size))).toEqual([{ format: 'x' }, { version: 1 }, { deep: { list: [1] } }, odd, 7, { after: 'the end' }]);
    expect(values(partsOf('{"conversations":{"a":1},"b":[2]}', size))).toEqual([{ conversations: { a: 1 } }, { b: [2] }]);
  });

  it('gives nothing that is too large or too deep, and goes on behind it', () => {
    const deep = `${'['.repeat(20)}${']'.repeat(20)}`;
    expect(partsOf(`["${'x'.repeat(2000)}",1,${deep},2]`, size).map((part) => (part.kind === 'element' ? part.text : part.kind === 'refused' ? part.reason : part))).toEqual(['too large', '1', 'too deep', '2']);
  });

  it('says when it ends in the middle, is empty, or is something else', () => {
    const problem = (text: string): string | undefined => partsOf(text, size).flatMap((part) => (part.kind === 'broken' ? [part.reason] : []))[0];
    for (const text of ['[1,2', '[{"a":', '{"conversations":[{}', '["x']) expect(problem(text), text).toBe('The file ends in the middle.');
    expect(values(partsOf('[1,{"a":1},{"b"', size)).slice(0, 2)).toEqual([1, { a: 1 }]);
    for (const text of ['', '  \n']) expect(problem(text)).toBe('The file is empty.');
    for (const text of ['hello', '"x"', '12', '<html>']) expect(problem(text), text).toBe('This is not a file of conversations.');
    expect(problem('[1]garbage')).toBeUndefined();
  });
});
