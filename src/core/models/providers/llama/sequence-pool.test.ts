import { describe, expect, it } from 'vitest';
import { chooseSequence, createSequencePool } from './sequence-pool.ts';

const never = new AbortController().signal;

const keeping = (...tokens: number[]) => ({
  tokens,
  nextTokenIndex: tokens.length,
  compareContextTokens: (wanted: number[]) => {
    const different = tokens.findIndex((token, index) => token !== wanted[index]);
    return { firstDifferentIndex: different < 0 ? tokens.length : different };
  },
});
type Kept = ReturnType<typeof keeping>;

describe('the choice of a sequence', () => {
  it('takes the one that holds the beginning of the conversation', () => {
    const [other, same, empty] = [keeping(1, 2, 9, 9), keeping(1, 2, 3, 4), keeping()];
    expect(chooseSequence([other, same, empty], [1, 2, 3, 4, 5, 6])).toBe(same);
  });

  it('does not throw another conversation away for a shared system prompt', () => {
    const [other, empty] = [keeping(1, 2, 9, 9, 9), keeping()];
    expect(chooseSequence([other, empty], [1, 2, 3, 4])).toBe(empty);
  });

  it('else takes the one unused the longest', () => {
    const [old, young] = [keeping(7, 7), keeping(8, 8)];
    expect(chooseSequence([old, young], [1, 2])).toBe(old);
  });
});

describe('the line for a sequence', () => {
  /** A pool, and the order in which requests such as `ann 1` are served. */
  function open(count: number, bounds = { ofOne: 10, ofAll: 20 }) {
    let time = 0;
    const pool = createSequencePool<number, Kept>(Array.from({ length: count }, () => keeping()), { bounds, now: () => time });
    const served: string[] = [];
    const held: { name: string; sequence: Kept }[] = [];
    const ask = (name: string, signal = never): Promise<void> =>
      pool.take([1], signal, name.split(' ')[0] === 'server' ? undefined : name.split(' ')[0]).then((sequence) => {
        served.push(name);
        held.push({ name, sequence });
      });
    /** Ends the answer that began first, or one of this name, after so long. */
    const end = async (name = held[0]!.name, after = 0): Promise<void> => {
      time += after;
      const at = held.findIndex((one) => one.name === name);
      pool.give(held.splice(at, 1)[0]!.sequence);
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { pool, served, ask, end };
  }

  it('serves people in turn, and of one person the oldest first', async () => {
    const { served, ask, end } = open(1);
    await ask('ann 1');
    const all = ['ann 2', 'ann 3', 'ann 4', 'bob 1', 'bob 2', 'eve 1', 'server 1'].map((name) => ask(name));
    for (let turn = 0; turn < 7; turn += 1) await end();
    await Promise.all(all);
    expect(served).toEqual(['ann 1', 'bob 1', 'eve 1', 'server 1', 'ann 2', 'bob 2', 'ann 3', 'ann 4']);
  });

  it('gives nobody more than their share while others wait, though one alone may have them all', async () => {
    const { served, ask, end } = open(4);
    for (const name of ['ann 1', 'ann 2', 'ann 3', 'ann 4']) await ask(name);
    const waiting = ['ann 5', 'ann 6', 'bob 1', 'bob 2', 'bob 3'].map((name) => ask(name));
    await end('ann 1');
    await end('ann 2');
    expect(served.slice(4)).toEqual(['bob 1', 'bob 2']);
    // Both hold two now: in turn, whoever's answer ends.
    await end('ann 3');
    expect(served.slice(6)).toEqual(['ann 5']);
    await end('bob 1');
    expect(served.slice(7)).toEqual(['bob 3']);
    await end('ann 4');
    await Promise.all(waiting);
    expect(served.slice(8)).toEqual(['ann 6']);
  });

  it('lets someone who comes in the middle wait for one answer to end, however many are before them', async () => {
    const { served, ask, end } = open(2);
    for (const name of ['ann 1', 'ann 2']) await ask(name);
    const many = Array.from({ length: 8 }, (_, index) => ask(`ann ${index + 3}`));
    await end();
    const newcomer = ask('bob 1');
    await end();
    await newcomer;
    expect(served).toEqual(['ann 1', 'ann 2', 'ann 3', 'bob 1']);
    for (let turn = 0; turn < 7; turn += 1) await end();
    await Promise.all(many);
  });

  it('forgets at once who gave up', async () => {
    const { pool, served, ask, end } = open(1);
    await ask('ann 1');
    const impatient = new AbortController();
    const first = ask('bob 1', impatient.signal);
    const second = ask('eve 1');
    impatient.abort();
    await expect(first).rejects.toMatchObject({ code: 'cancelled' });
    await end();
    await second;
    expect(served).toEqual(['ann 1', 'eve 1']);
    await end();
    expect(pool.taken).toBe(0);
  });

  it('is bounded for one person and for all, and says when it is worth coming back', async () => {
    const { ask, end } = open(1, { ofOne: 2, ofAll: 3 });
    await ask('ann 1');
    const waiting = [ask('ann 2'), ask('ann 3')];
    await expect(ask('ann 4')).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 3000, message: expect.stringContaining('2 of your') });
    waiting.push(ask('bob 1'));
    await expect(ask('eve 1')).rejects.toMatchObject({ code: 'rate_limited', message: expect.stringContaining('3 requests already wait') });
    // Answers that take longer make the advice longer.
    await end(undefined, 100_000);
    waiting.push(ask('eve 2'));
    await expect(ask('ann 5')).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 60_000 });
    for (let turn = 0; turn < 4; turn += 1) await end();
    await Promise.all(waiting);
  });
});
