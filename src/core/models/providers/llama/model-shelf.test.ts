import { describe, expect, it } from 'vitest';
import { ParleyError } from '../../../../base/errors.ts';
import { createModelShelf, type ModelShelfOptions } from './model-shelf.ts';

const never = new AbortController().signal;

/** Models are called by their name and size, such as `a 3`; there is room for 10. */
function shelfOfNames(options: Partial<ModelShelfOptions<string, string>> = {}) {
  const events: string[] = [];
  let time = 1000;
  const shelf = createModelShelf<string, string>({
    same: (left, right) => left === right,
    size: (name) => Number(name.split(' ')[1]),
    budget: () => 10,
    available: () => 100,
    tooLarge: (name, limit) => new ParleyError('provider_unavailable', { message: `${name} does not fit into the ${limit}` }),
    load: async (name) => {
      events.push(`load ${name}`);
      if (name.startsWith('broken')) throw new Error('cannot be loaded');
      return name;
    },
    unload: async (name) => void events.push(`unload ${name}`),
    idleMs: 0,
    bounds: { ofOne: 10, ofAll: 20 },
    clock: { now: () => (time += 1), monotonic: () => time },
    ...options,
  });
  return { shelf, events };
}

describe('the models in memory', () => {
  it('are loaded once, for all who use them', async () => {
    const { shelf, events } = shelfOfNames();
    const uses = await Promise.all([shelf.use('a 5', never), shelf.use('a 5', never)]);
    expect(uses.map(({ loaded }) => loaded)).toEqual(['a 5', 'a 5']);
    expect(events).toEqual(['load a 5']);
  });

  it('stay beside each other while there is room', async () => {
    const { shelf, events } = shelfOfNames();
    for (const name of ['a 5', 'b 5', 'a 5', 'b 5']) (await shelf.use(name, never)).release();
    expect(events).toEqual(['load a 5', 'load b 5']);
    expect(shelf.list().map(({ key }) => key)).toEqual(['a 5', 'b 5']);
  });

  it('make room for another one: the one unused the longest goes, and only as many as must', async () => {
    const { shelf, events } = shelfOfNames();
    for (const name of ['a 3', 'b 3', 'c 3', 'a 3', 'd 3']) (await shelf.use(name, never)).release();
    expect(events).toEqual(['load a 3', 'load b 3', 'load c 3', 'unload b 3', 'load d 3']);
  });

  it('also make room when other programs have taken the memory', async () => {
    let free = 100;
    const { shelf, events } = shelfOfNames({ available: () => free });
    (await shelf.use('a 3', never)).release();
    free = 1;
    const waiting = shelf.use('b 3', never);
    await expect(waiting).rejects.toThrow('b 3 does not fit into the available');
    free = 4;
    await shelf.use('b 3', never);
    expect(events).toEqual(['load a 3', 'unload a 3', 'load b 3']);
  });

  it('are never unloaded while somebody uses them, and nobody overtakes who waits for their room', async () => {
    const { shelf, events } = shelfOfNames();
    const first = await shelf.use('a 8', never);
    const order: string[] = [];
    const other = shelf.use('b 8', never).then((use) => (order.push('b'), use));
    const late = shelf.use('a 8', never).then((use) => (order.push('late a'), use));
    first.release();
    first.release();
    (await other).release();
    (await late).release();
    expect(order).toEqual(['b', 'late a']);
    expect(events).toEqual(['load a 8', 'unload a 8', 'load b 8', 'unload b 8', 'load a 8']);
  });

  it('let people in to those that need not go, while another one waits for room', async () => {
    const { shelf } = shelfOfNames();
    const first = await shelf.use('a 5', never);
    const beside = await shelf.use('b 2', never);
    const waiting = shelf.use('c 8', never);
    await expect(shelf.use('b 2', never)).resolves.toMatchObject({ loaded: 'b 2' });
    first.release();
    await expect(waiting).resolves.toMatchObject({ loaded: 'c 8' });
    beside.release();
    expect(shelf.list().map(({ key }) => key)).toEqual(['b 2', 'c 8']);
  });

  it('refuse one that does not even fit alone, at once', async () => {
    const { shelf, events } = shelfOfNames();
    await expect(shelf.use('a 11', never)).rejects.toThrow('a 11 does not fit into the budget');
    expect(events).toEqual([]);
  });

  it('tell whoever waits for one that it cannot be loaded, and go on', async () => {
    const { shelf } = shelfOfNames();
    await expect(shelf.use('broken 1', never)).rejects.toThrow('cannot be loaded');
    await expect(shelf.use('a 5', never)).resolves.toMatchObject({ loaded: 'a 5' });
  });

  it('forget a caller who gave up, and let those behind in', async () => {
    const { shelf } = shelfOfNames();
    const first = await shelf.use('a 8', never);
    const impatient = new AbortController();
    const other = shelf.use('b 8', impatient.signal);
    const behind = shelf.use('a 8', never);
    impatient.abort();
    await expect(other).rejects.toMatchObject({ code: 'cancelled' });
    await expect(behind).resolves.toMatchObject({ loaded: first.loaded });
  });

  it('refuse when too many wait: of one person, and of all', async () => {
    const { shelf } = shelfOfNames({ bounds: { ofOne: 2, ofAll: 3 } });
    await shelf.use('a 8', never);
    const waiting = ['ann', 'ann', 'bob'].map((user) => shelf.use('b 8', never, user));
    await expect(shelf.use('b 8', never, 'ann')).rejects.toMatchObject({ code: 'rate_limited', message: expect.stringContaining('2 of your requests') });
    await expect(shelf.use('b 8', never, 'eve')).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 5000 });
    void Promise.allSettled(waiting);
  });

  it('are unloaded after a time without use', async () => {
    let time = 0;
    const { shelf, events } = shelfOfNames({ idleMs: 20, clock: { now: () => time, monotonic: () => time } });
    const { release } = await shelf.use('a 5', never);
    expect(shelf.list()).toMatchObject([{ key: 'a 5', bytes: 5, loadedAt: 0, expiresAt: null }]);
    time = 1000;
    release();
    expect(shelf.list()).toMatchObject([{ lastUsedAt: 1000, expiresAt: 1020 }]);
    time = 1020;
    await expect.poll(() => events, { timeout: 20_000 }).toEqual(['load a 5', 'unload a 5']);
    expect(shelf.list()).toEqual([]);
  });

  it('tell whether one can be used without putting another one out', async () => {
    const { shelf } = shelfOfNames();
    expect(shelf.isFreeFor('a 6')).toBe(true);
    const { release } = await shelf.use('a 6', never);
    expect(['a 6', 'b 4', 'c 5'].map(shelf.isFreeFor, shelf)).toEqual([true, true, false]);
    void shelf.use('c 5', never);
    expect(['a 6', 'b 4', 'c 5'].map(shelf.isFreeFor, shelf)).toEqual([false, false, true]);
    release();
  });

  it('close after the last user has left', async () => {
    const { shelf, events } = shelfOfNames();
    const use = await shelf.use('a 8', never);
    const waiting = shelf.use('b 8', never);
    const closed = shelf.close();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    expect(events).toEqual(['load a 8']);
    use.release();
    await closed;
    expect(events).toEqual(['load a 8', 'unload a 8']);
    await expect(shelf.use('a 8', never)).rejects.toMatchObject({ code: 'cancelled' });
  });
});
