import { describe, expect, it } from 'vitest';
import { flagsOf, type ResponseFlags } from './classify.ts';
import type { Labelled } from './labelled/form.ts';
import { testHalf } from './labelled/test-half.ts';
import { tuned } from './labelled/tuned.ts';

/** What the labels of a reply come to. */
function expected(labels: string): ResponseFlags {
  const has = (label: string): boolean => labels.includes(label);
  const responseType = has('c') ? 'clarification' : has('r') ? 'information_request' : has('a') ? 'action_suggestion' : 'informational';
  return { containsQuestion: has('q'), suggestsAction: has('a'), requestsInformation: has('r'), responseType };
}

const fields = ['responseType', 'containsQuestion', 'suggestsAction', 'requestsInformation'] as const;

/** Share of the replies whose field is as labelled, and the replies where it is not. */
function accuracy(labelled: readonly Labelled[], field: (typeof fields)[number]): { share: number; wrong: string[] } {
  const wrong = labelled.filter(([text, labels]) => flagsOf(text)[field] !== expected(labels)[field]).map(([text, labels]) => `${text} [${labels}] -> ${String(flagsOf(text)[field])}`);
  return { share: 1 - wrong.length / labelled.length, wrong };
}

/** Runs of four words, which two halves that were written apart do not share. */
function templatesOf(labelled: readonly Labelled[]): Set<string> {
  const runs = new Set<string>();
  for (const [text] of labelled) {
    const words = text.toLowerCase().match(/[a-z']+/g) ?? [];
    for (let at = 0; at + 4 <= words.length; at += 1) runs.add(words.slice(at, at + 4).join(' '));
  }
  return runs;
}

describe('What a reply does', () => {
  it('is told of the half by which the rules were found', () => {
    for (const field of fields) expect(accuracy(tuned, field).wrong).toEqual([]);
  });

  it('is told of replies that the rules were not tuned on', ({ annotate }) => {
    const shares = fields.map((field) => ({ field, ...accuracy(testHalf, field) }));
    for (const { field, share, wrong } of shares) void annotate(`${field}: ${(share * 100).toFixed(1)} % of ${testHalf.length} (tuned half: ${(accuracy(tuned, field).share * 100).toFixed(1)} % of ${tuned.length})${wrong.map((text) => `\n  ${text}`).join('')}`, 'notice');
    expect(shares.filter(({ share }) => share < 0.85).map(({ field, share }) => `${field} ${share}`)).toEqual([]);
  });

  it('was labelled in halves that share no turns of phrase, and no reply', () => {
    const known = templatesOf(tuned);
    expect([...templatesOf(testHalf)].filter((run) => known.has(run))).toEqual([]);
    expect(new Set([...tuned, ...testHalf].map(([text]) => text.toLowerCase())).size).toBe(tuned.length + testHalf.length);
    for (const half of [tuned, testHalf]) expect(half.length).toBeGreaterThanOrEqual(88);
  });

  it('follows from its flags, whatever the text', () => {
    for (const [text] of [...tuned, ...testHalf]) {
      const { requestsInformation, suggestsAction, responseType } = flagsOf(text);
      const plain = requestsInformation ? 'information_request' : suggestsAction ? 'action_suggestion' : 'informational';
      expect([responseType, requestsInformation]).toEqual(responseType === 'clarification' ? ['clarification', true] : [plain, requestsInformation]);
      expect(flagsOf(text)).toEqual(flagsOf(text));
    }
  });

  it('is not told by what stands in code, in quotes of others, and in addresses', () => {
    const nothing = { containsQuestion: false, suggestsAction: false, requestsInformation: false, responseType: 'informational' };
    for (const text of ['The query is `select ?`.', '```\nwhat is your name?\n```\nThat prints a line.', '> Where are you?\nIt was quoted.', 'See https://example.com/?q=why for the source.', '', '   \n\n', '?'.repeat(0)]) {
      expect([text, flagsOf(text)]).toEqual([text, nothing]);
    }
  });

  it('takes no time to speak of, also for hostile texts', () => {
    for (const text of ['a'.repeat(100_000), 'you should '.repeat(20_000), 'if x, '.repeat(20_000), 'please '.repeat(20_000), '"'.repeat(50_000), 'so then and '.repeat(9000), 'i am not sure '.repeat(9000), '`'.repeat(50_000)]) {
      const began = performance.now();
      flagsOf(text);
      expect(performance.now() - began).toBeLessThan(500);
    }
  });
});
