import { describe, expect, it } from 'vitest';
import { splitBlocks } from './blocks.ts';

describe('cutting Markdown for streaming', () => {
  it('cuts at empty lines', () => {
    expect(splitBlocks('# Title\n\nOne\ntwo.\n\n\nThree.')).toEqual(['# Title\n\n', 'One\ntwo.\n\n\n', 'Three.']);
  });

  it('keeps code with its empty lines whole, closed or not', () => {
    const code = '```ts\nlet a;\n\nlet b;\n```\n';
    expect(splitBlocks(`Before\n\n${code}\nAfter`)).toEqual(['Before\n\n', `${code}\n`, 'After']);
    expect(splitBlocks('Before\n\n```\na\n\nb')).toEqual(['Before\n\n', '```\na\n\nb']);
    expect(splitBlocks('~~~~\n```\n\n~~~\n\n~~~~\n\nx')).toEqual(['~~~~\n```\n\n~~~\n\n~~~~\n\n', 'x']);
  });

  it('does not take code inside a line for a fence', () => {
    expect(splitBlocks('``` not a fence ```\n\nNext')).toEqual(['``` not a fence ```\n\n', 'Next']);
  });

  it('keeps lists with empty lines and what hangs below them together', () => {
    expect(splitBlocks('1. one\n\n2. two\n\n   more\n\nAfter')).toEqual(['1. one\n\n2. two\n\n   more\n\n', 'After']);
    expect(splitBlocks('- a\n\n- b\n\n1. c')).toEqual(['- a\n\n- b\n\n', '1. c']);
  });

  it('does not cut texts whose parts refer to each other', () => {
    const text = 'See [the page][1].\n\n[1]: https://example.org\n';
    expect(splitBlocks(text)).toEqual([text]);
    expect(splitBlocks('Note[^1].\n\n[^1]: Text')).toHaveLength(1);
  });

  it('loses nothing, wherever the text is cut off', () => {
    const text = '# A\r\n\r\n- x\n\n  ```js\n  a\n\n  ```\n\n> q\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n    indented\n\nend\n\n';
    for (let length = 0; length <= text.length; length += 1) expect(splitBlocks(text.slice(0, length)).join('')).toBe(text.slice(0, length));
  });

  it('leaves all but the last two pieces alone as the text grows', () => {
    const text = 'First.\n\n- a\n\n- b\n\n```\ncode\n\nmore\n```\n\nLast paragraph.\n\nEnd.';
    let before: string[] = [];
    for (let length = 1; length <= text.length; length += 1) {
      const now = splitBlocks(text.slice(0, length));
      const settled = before.slice(0, -2);
      expect(now.slice(0, settled.length)).toEqual(settled);
      before = now;
    }
  });
});
