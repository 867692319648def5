import { expect, test } from 'vitest';
import { countTokens } from './tokens.ts';

test('counts as the tokenizer does, also where the text is cut for it', async () => {
  const { countTokens: whole } = await import('gpt-tokenizer/encoding/o200k_base');
  const text = 'The quick brown fox jumps over the lazy dog, doesn’t it? 123456 times!\n\n  Indented { code: "x" };\n'.repeat(50);
  expect(await countTokens(text)).toEqual({ tokens: whole(text), isExact: true });
  expect(await countTokens('')).toEqual({ tokens: 0, isExact: true });
});

test('takes control tokens for text', async () => {
  expect((await countTokens('<|endoftext|>')).tokens).toBeGreaterThan(1);
});

test('says when it had to cut where there is no space, and is off by little then', async () => {
  const { countTokens: whole } = await import('gpt-tokenizer/encoding/o200k_base');
  const text = '漢字かな交じり文です。'.repeat(100);
  const { tokens, isExact } = await countTokens(text);
  expect(isExact).toBe(false);
  expect(tokens).toBeGreaterThanOrEqual(whole(text));
  expect(tokens).toBeLessThan(whole(text) * 1.02);
});

test('takes no more than moments for a long run without spaces, and cuts no character', async () => {
  await countTokens('loads the tokenizer');
  const began = performance.now();
  for (const unit of ['漢', 'a', '🦜', '!']) expect((await countTokens(unit.repeat(100_000))).tokens).toBeGreaterThan(1000);
  // Without the cuts the first alone takes half a minute.
  expect(performance.now() - began).toBeLessThan(3000);
});
