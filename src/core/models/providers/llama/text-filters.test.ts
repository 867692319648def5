import { describe, expect, it } from 'vitest';
import { createReasoningFilter, createStopFilter, type Piece } from './text-filters.ts';

/** Pushes a text in all ways of cutting it into two, and character by character: the outcome must be the same. */
function everyCut(text: string): string[][] {
  const cuts = Array.from({ length: text.length + 1 }, (_, at) => [text.slice(0, at), text.slice(at)]);
  return [...cuts, [...text]];
}

describe('the stop filter', () => {
  const run = (stops: string[], pieces: string[]): { text: string; stopped: boolean } => {
    const filter = createStopFilter(stops);
    let text = '';
    for (const piece of pieces) {
      const shown = filter.push(piece);
      text += shown.text;
      if (shown.stopped) return { text, stopped: true };
    }
    return { text: text + filter.rest(), stopped: false };
  };

  it('ends before the stop text, however the answer was cut', () => {
    for (const pieces of everyCut('one two END three')) expect(run(['END'], pieces)).toEqual({ text: 'one two ', stopped: true });
  });

  it('takes the stop text that comes first', () => {
    for (const pieces of everyCut('a cat and a dog')) expect(run(['dog', 'cat'], pieces)).toEqual({ text: 'a ', stopped: true });
  });

  it('tells what stood behind it', () => {
    expect(createStopFilter(['<call>']).push('so <call> {')).toEqual({ text: 'so ', stopped: true, after: ' {' });
  });

  it('shows what looked like a stop text and was none', () => {
    for (const pieces of everyCut('the EN')) expect(run(['END'], pieces)).toEqual({ text: 'the EN', stopped: false });
    expect(run(['aab'], [...'aaaab!'])).toEqual({ text: 'aa', stopped: true });
  });

  it('holds back no more than it must', () => {
    const filter = createStopFilter(['END']);
    expect(filter.push('the END'.slice(0, 6))).toEqual({ text: 'the ', stopped: false });
    expect(filter.push('TER')).toEqual({ text: 'ENTER', stopped: false });
  });
});

describe('the reasoning filter', () => {
  const think = { open: '<think>', close: '</think>', headings: [] };
  const run = (marks: Parameters<typeof createReasoningFilter>[0], inside: boolean, pieces: string[]): Record<Piece['type'], string> => {
    const filter = createReasoningFilter(marks, inside);
    const sum = { text: '', reasoning: '' };
    for (const { type, text } of [...pieces.flatMap((piece) => filter.push(piece)), ...filter.rest()]) sum[type] += text;
    return sum;
  };

  it('tells reasoning from answer, however they were cut', () => {
    for (const pieces of everyCut('\n<think>\nHm <b>.</think>\n\nYes </think> no')) {
      expect(run(think, false, pieces)).toEqual({ reasoning: 'Hm <b>.', text: 'Yes </think> no' });
    }
  });

  it('leaves an answer without reasoning as it is', () => {
    for (const pieces of everyCut('  A <think> tag is written like this.')) {
      expect(run(think, false, pieces)).toEqual({ reasoning: '', text: '  A <think> tag is written like this.' });
    }
    expect(run(think, false, ['<thi'])).toEqual({ reasoning: '', text: '<thi' });
  });

  it('begins inside where the template opened the reasoning', () => {
    expect(run({ ...think, open: '' }, true, ['so', '</thi', 'nk>', '\n', 'Yes'])).toEqual({ reasoning: 'so', text: 'Yes' });
  });

  it('keeps reasoning that never ended', () => {
    expect(run(think, false, ['<think>', 'and </', 'then'])).toEqual({ reasoning: 'and </then', text: '' });
  });

  it('drops the heading some models put before the answer', () => {
    const channels = {
      open: '<|channel|>analysis<|message|>',
      close: '<|end|>',
      headings: ['assistant<|channel|>final<|message|>', '<|channel|>final<|message|>'],
    };
    for (const pieces of everyCut('<|channel|>analysis<|message|>Hm<|end|>assistant<|channel|>final<|message|>Yes')) {
      expect(run(channels, false, pieces)).toEqual({ reasoning: 'Hm', text: 'Yes' });
    }
    for (const pieces of everyCut('<|channel|>final<|message|>Yes'))
      expect(run(channels, false, pieces)).toEqual({ reasoning: '', text: 'Yes' });
  });
});
