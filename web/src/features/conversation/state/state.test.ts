import { describe, expect, it } from 'vitest';
import { meaningOfClose, reconnectPauseMs } from './backoff.ts';
import { branchOf, placeMessage, withNewestPage, withOlderPage } from './path.ts';
import { sampleMessage } from './sample.ts';
import { canContinue, mergeMessage } from './status.ts';
import { applyPiece, type Piece } from './stream.ts';

const running = (content: string, seq: number) => sampleMessage({ id: 'a', status: 'PROCESSING', content, last_event_seq: seq });
const text = (offset: number, value: string, seq: number): Piece => ({ kind: 'text', text: value, offset, seq });

describe('pieces of an answer', () => {
  it('are added at their offset', () => {
    const outcome = applyPiece(running('Hello', 2), text(5, ' world', 3));
    expect(outcome).toMatchObject({ kind: 'applied', message: { content: 'Hello world', last_event_seq: 3 } });
  });

  it('are taken once when they come twice', () => {
    expect(applyPiece(running('Hello', 2), text(0, 'Hello', 2))).toEqual({ kind: 'repeat' });
    expect(applyPiece(running('Hello', 5), text(1, 'ell', 2))).toEqual({ kind: 'repeat' });
  });

  it('that overlap add only what is new', () => {
    expect(applyPiece(running('Hello', 2), text(3, 'lo world', 4))).toMatchObject({ message: { content: 'Hello world', last_event_seq: 4 } });
    expect(applyPiece(running('Hello', 2), text(0, 'Hello world', 4))).toMatchObject({ message: { content: 'Hello world' } });
  });

  it('that would leave a hole are refused', () => {
    expect(applyPiece(running('Hello', 2), text(6, 'world', 9))).toEqual({ kind: 'gap' });
  });

  it('count reasoning apart from the text', () => {
    const first = applyPiece(running('', 1), { kind: 'reasoning', text: 'Let me see', offset: 0, seq: 2 });
    expect(first).toMatchObject({ kind: 'applied', message: { reasoning: 'Let me see', content: '' } });
    expect(applyPiece(running('Hello', 2), { kind: 'reasoning', text: 'x', offset: 5, seq: 3 })).toEqual({ kind: 'gap' });
  });

  it('give the same text in whatever order and however often they come, once gaps were filled', () => {
    const whole = 'The quick 🦊 jumps over the lazy 🐶.';
    const pieces = [...Array(whole.length).keys()].map((at) => text(at, whole[at]!, at + 2));
    let message = running('', 1);
    let gaps = 0;
    for (const order of [[4, 0, 1, 1, 2], [0, 3, 2], pieces.map((_piece, at) => at)]) {
      for (const at of order) {
        const outcome = applyPiece(message, pieces[at]!);
        if (outcome.kind === 'applied') message = outcome.message;
        if (outcome.kind === 'gap') gaps += 1;
      }
    }
    expect(message.content).toBe(whole);
    expect(gaps).toBe(1);
  });
});

describe('a message heard of again', () => {
  it('never goes back from its end', () => {
    const ended = sampleMessage({ id: 'a', status: 'DELIVERED', content: 'All of it.' });
    expect(mergeMessage(ended, running('All', 2))).toMatchObject({ status: 'DELIVERED', content: 'All of it.' });
  });

  it('keeps text that was already shown', () => {
    expect(mergeMessage(running('All of', 4), running('All', 2))).toMatchObject({ content: 'All of', last_event_seq: 4 });
    expect(mergeMessage(running('All', 2), running('All of', 4))).toMatchObject({ content: 'All of', last_event_seq: 4 });
  });

  it('takes the text of the end as it was stored, also when it is shorter', () => {
    const heard = sampleMessage({ id: 'a', status: 'CANCELLED', content: 'All' });
    expect(mergeMessage(running('All of', 4), heard)).toMatchObject({ status: 'CANCELLED', content: 'All' });
  });

  it('keeps the larger number of siblings', () => {
    const known = sampleMessage({ id: 'a', siblings: ['a', 'b'] });
    expect(mergeMessage(known, sampleMessage({ id: 'a' })).siblings).toEqual(['a', 'b']);
  });
});

describe('continuing', () => {
  it.each([
    ['CANCELLED', 'text', null, true],
    ['INTERRUPTED', 'text', null, true],
    ['FAILED', 'text', null, true],
    ['FAILED', '', null, false],
    ['DELIVERED', 'text', 'length', true],
    ['DELIVERED', 'text', 'stop', false],
    ['PROCESSING', 'text', null, false],
  ] as const)('%s with "%s" and reason %s: %s', (status, content, finish_reason, expected) => {
    expect(canContinue(sampleMessage({ id: 'a', status, content, finish_reason }))).toBe(expected);
  });
});

describe('the shown branch', () => {
  const chain = (...ids: string[]) => ids.map((id, at) => ({ id, parent_id: ids[at - 1] ?? null }));
  const pageOf = (parent: string | null, ...ids: string[]) => ids.map((id, at) => ({ id, parent_id: at === 0 ? parent : ids[at - 1]! }));

  it('keeps older messages when its newest page is read again', () => {
    expect(withNewestPage(['1', '2', '3', '4'], pageOf('2', '3', '4', '5'))).toEqual(['1', '2', '3', '4', '5']);
  });

  it('follows another branch from where it parts', () => {
    expect(withNewestPage(['1', '2', '3', '4'], pageOf('2', '3b', '4b'))).toEqual(['1', '2', '3b', '4b']);
    expect(withNewestPage(['1', '2', '3', '4'], pageOf('1', '2', '3b'))).toEqual(['1', '2', '3b']);
  });

  it('begins anew when nothing joins, and may become empty', () => {
    expect(withNewestPage(['1', '2'], pageOf('8', '9', '10'))).toEqual(['9', '10']);
    expect(withNewestPage([], chain('1', '2'))).toEqual(['1', '2']);
    expect(withNewestPage(['1'], [])).toEqual([]);
  });

  it('takes older pages once, whatever their overlap', () => {
    expect(withOlderPage(['3', '4'], chain('1', '2'))).toEqual(['1', '2', '3', '4']);
    expect(withOlderPage(['3', '4'], chain('1', '2', '3'))).toEqual(['1', '2', '3', '4']);
    const path = ['1', '2'];
    expect(withOlderPage(path, chain('1', '2'))).toBe(path);
  });

  it('grows at its end', () => {
    expect(placeMessage(['1', '2'], { id: '3', parent_id: '2' })).toEqual({ kind: 'placed', path: ['1', '2', '3'] });
    expect(placeMessage([], { id: '1', parent_id: null })).toEqual({ kind: 'placed', path: ['1'] });
  });

  it('leaves the old branch where a sibling is placed', () => {
    expect(placeMessage(['1', '2', '3', '4'], { id: '2b', parent_id: '1' })).toEqual({ kind: 'placed', path: ['1', '2b'] });
    expect(placeMessage(['1', '2'], { id: '1b', parent_id: null })).toEqual({ kind: 'placed', path: ['1b'] });
  });

  it('knows what it has and what it cannot place', () => {
    expect(placeMessage(['1', '2'], { id: '2', parent_id: '1' })).toEqual({ kind: 'known' });
    expect(placeMessage(['1', '2'], { id: '9', parent_id: '8' })).toEqual({ kind: 'elsewhere' });
  });

  it('names the branches beside a message', () => {
    expect(branchOf({ id: 'b', siblings: ['a', 'b', 'c'] })).toEqual({ index: 1, count: 3, previous: 'a', next: 'c' });
    expect(branchOf({ id: 'a', siblings: ['a', 'b'] })).toMatchObject({ previous: null, next: 'b' });
    expect(branchOf({ id: 'a', siblings: ['a'] })).toBeNull();
    expect(branchOf({ id: 'a', siblings: ['b', 'c'] })).toBeNull();
  });
});

describe('connecting again', () => {
  it('waits longer each time, up to fifteen seconds', () => {
    expect([1, 2, 3, 4, 5, 6, 50].map((failures) => reconnectPauseMs(failures, 0))).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  });

  it('is spread by at most a third', () => {
    expect(reconnectPauseMs(1, 1)).toBe(333);
    expect(reconnectPauseMs(50, 1)).toBe(10_000);
  });

  it.each([[4401, 'signed-out'], [4403, 'forbidden'], [4404, 'gone'], [4429, 'later'], [1001, 'again'], [1006, 'again'], [4408, 'again']])('code %i means %s', (code, meaning) => {
    expect(meaningOfClose(code)).toBe(meaning);
  });
});
