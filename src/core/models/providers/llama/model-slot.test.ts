import { describe, expect, it } from 'vitest';
import { createModelSlot } from './model-slot.ts';
import { chooseSequence, createSequencePool } from './sequence-pool.ts';

const never = new AbortController().signal;

function slotOfNames(maxWaiting = 10) {
  const events: string[] = [];
  const slot = createModelSlot<string, { name: string }>({
    same: (left, right) => left === right,
    load: async (name) => {
      events.push(`load ${name}`);
      if (name === 'broken') throw new Error('cannot be loaded');
      return { name };
    },
    unload: async ({ name }) => void events.push(`unload ${name}`),
    maxWaiting,
  });
  return { slot, events };
}

describe('the place for the loaded model', () => {
  it('lets users of one model in together and loads it once', async () => {
    const { slot, events } = slotOfNames();
    const uses = await Promise.all([slot.use('a', never), slot.use('a', never)]);
    expect(uses.map(({ loaded }) => loaded.name)).toEqual(['a', 'a']);
    expect(events).toEqual(['load a']);
  });

  it('loads another model when all users of the first have left, and lets nobody overtake', async () => {
    const { slot, events } = slotOfNames();
    const first = await slot.use('a', never);
    const order: string[] = [];
    const other = slot.use('b', never).then((use) => (order.push('b'), use));
    const late = slot.use('a', never).then((use) => (order.push('late a'), use));
    first.release();
    first.release();
    (await other).release();
    (await late).release();
    expect(order).toEqual(['b', 'late a']);
    expect(events).toEqual(['load a', 'unload a', 'load b', 'unload b', 'load a']);
  });

  it('tells whoever waits for a model that it cannot be loaded, and goes on', async () => {
    const { slot } = slotOfNames();
    await expect(slot.use('broken', never)).rejects.toThrow('cannot be loaded');
    await expect(slot.use('a', never)).resolves.toMatchObject({ loaded: { name: 'a' } });
  });

  it('forgets a caller who gave up, and lets those behind in', async () => {
    const { slot } = slotOfNames();
    const first = await slot.use('a', never);
    const impatient = new AbortController();
    const other = slot.use('b', impatient.signal);
    const behind = slot.use('a', never);
    impatient.abort();
    await expect(other).rejects.toMatchObject({ code: 'cancelled' });
    await expect(behind).resolves.toMatchObject({ loaded: first.loaded });
  });

  it('refuses when too many wait', async () => {
    const { slot } = slotOfNames(1);
    await slot.use('a', never);
    void slot.use('b', never);
    await expect(slot.use('c', never)).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 5000 });
  });

  it('tells whether a model can be used without putting another one out', async () => {
    const { slot } = slotOfNames();
    expect(slot.isFreeFor('a')).toBe(true);
    const loading = slot.use('a', never);
    expect([slot.isFreeFor('a'), slot.isFreeFor('b')]).toEqual([true, false]);
    const { release } = await loading;
    void slot.use('b', never);
    expect([slot.isFreeFor('a'), slot.isFreeFor('b')]).toEqual([false, false]);
    release();
  });

  it('closes after the last user has left', async () => {
    const { slot, events } = slotOfNames();
    const use = await slot.use('a', never);
    const waiting = slot.use('b', never);
    const closed = slot.close();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    expect(events).toEqual(['load a']);
    use.release();
    await closed;
    expect(events).toEqual(['load a', 'unload a']);
  });
});

describe('the choice of a sequence', () => {
  const keeping = (...tokens: number[]) => ({
    tokens,
    nextTokenIndex: tokens.length,
    compareContextTokens: (wanted: number[]) => {
      const different = tokens.findIndex((token, index) => token !== wanted[index]);
      return { firstDifferentIndex: different < 0 ? tokens.length : different };
    },
  });

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

  it('gives sequences out in the order of asking, and skips who gave up', async () => {
    const only = keeping();
    const pool = createSequencePool<number, typeof only>([only], 2);
    const held = await pool.take([1], never);
    const order: string[] = [];
    const impatient = new AbortController();
    const first = pool.take([1], impatient.signal);
    const second = pool.take([1], never).then((sequence) => (order.push('second'), sequence));
    await expect(pool.take([1], never)).rejects.toMatchObject({ code: 'rate_limited' });
    impatient.abort();
    await expect(first).rejects.toMatchObject({ code: 'cancelled' });
    pool.give(held);
    expect(await second).toBe(only);
    expect(order).toEqual(['second']);
  });
});
