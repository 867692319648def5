import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addRunningTurns } from '../../base/storage/fixtures.ts';
import { newId } from '../../base/ids.ts';
import { engines } from '../../base/storage/testing.ts';
import type { Viewer } from '../accounts/index.ts';
import { noon, openBudgetHouse, spenderFor, unbounded, type BudgetHouse } from './testing.ts';
import type { Spender } from './types.ts';

const nextDay = Date.UTC(2030, 4, 11);
const nextMonth = Date.UTC(2030, 5, 1);

describe.each(engines)('budgets on %s', (engine) => {
  let house: BudgetHouse;
  let owner: Viewer;
  let ann: Viewer;
  let spender: Spender;

  beforeEach(async () => {
    house = await openBudgetHouse(engine);
    owner = await house.user('owner', 'owner');
    ann = await house.user('ann');
    spender = spenderFor(ann);
  });
  afterEach(() => house.close());

  const set = (period: 'day' | 'month', bounds: Partial<typeof unbounded>) => house.budgets.set(owner, { kind: 'user', id: ann.userId }, period, { ...unbounded, ...bounds });
  const state = async (period: 'day' | 'month' = 'day') => (await house.budgets.list(ann)).find((budget) => budget.period === period)!;
  const rows = (table: 'budget_counters' | 'budget_reservations') => house.storage.read.selectFrom(table).selectAll().execute();

  describe('without one', () => {
    test('nothing is reserved and nothing counted', async () => {
      expect(await house.budgets.mayApply(house.storage.read, spender)).toBe(false);
      await house.call(spender, 1_000_000, 1_000_000);
      expect(await rows('budget_reservations')).toEqual([]);
      expect(await rows('budget_counters')).toEqual([]);
    });
  });

  test('calls that make counters at the same time do not get into each other\'s way', async () => {
    await set('day', { requests: 1000 });
    await house.call(spender, 1, 1);
    await set('month', { requests: 1000 });
    const keys = await Promise.all(['one', 'two', 'three'].map((name) => house.key(ann, name)));
    for (const id of keys) await house.budgets.set(owner, { kind: 'key', id }, 'day', { ...unbounded, requests: 1000 });
    let tries = 0;
    const reserve = (index: number) =>
      house.storage.write((queries) => {
        tries += 1;
        return house.budgets.reserve(queries, spenderFor(ann, index % 4 === 3 ? null : keys[index % 4]!), newId(), { model: 'test/cheap', tokensIn: 1, tokensOut: 1 }, 'call');
      });
    await Promise.all(Array.from({ length: 24 }, (_, index) => reserve(index)));
    // A deadlock would have ended one of them after a second, and it would have been tried again.
    expect(tries).toBe(24);
  });

  describe('a call', () => {
    test('holds what it may use until it has ended, and then counts what it used', async () => {
      await set('day', { tokens: 1000 });
      const reservation = await house.reserve(spender, { tokensIn: 200, tokensOut: 300 });
      expect(await state()).toMatchObject({ used: { tokens: 0, requests: 0 }, reserved: { tokens: 500, requests: 1 } });
      await house.settle(spender, reservation, { tokens_in: 180, tokens_out: 20, cost_micros: 220 });
      expect(await state()).toMatchObject({ used: { tokens: 200, requests: 1, costMicros: 220 }, reserved: { tokens: 0, requests: 0 }, resetsAt: nextDay });
    });

    test('that never reached a model gives everything back', async () => {
      await set('day', { requests: 1 });
      await house.settle(spender, await house.reserve(spender), null);
      expect(await state()).toMatchObject({ used: { requests: 0 }, reserved: { requests: 0 } });
    });

    test('that does not fit is refused with what is left and when it starts anew', async () => {
      await set('day', { tokens: 1000 });
      await house.call(spender, 400, 350);
      const refused = await house.reserve(spender, { tokensIn: 100, tokensOut: 200 }).catch((error: unknown) => error);
      expect(refused).toMatchObject({
        code: 'budget_exceeded', status: 429, retryAfterMs: nextDay - noon,
        message: 'Your budget of 1,000 tokens a day has 250 tokens left, and this call may need 300 tokens. It starts anew at 2030-05-11 00:00 UTC.',
      });
      expect(await house.reserve(spender, { tokensIn: 100, tokensOut: 150 })).not.toBeNull();
    });

    test('names the budget that holds it up longest', async () => {
      await set('day', { requests: 1 });
      await set('month', { requests: 1 });
      await house.call(spender, 1, 1);
      await expect(house.reserve(spender)).rejects.toMatchObject({
        retryAfterMs: nextMonth - noon, message: 'Your budget of 1 request a month is used up. It starts anew at 2030-06-01 00:00 UTC.',
      });
    });

    test('waits for seconds only when calls under way hold what it needs', async () => {
      await set('day', { tokens: 1000 });
      await house.reserve(spender, { tokensIn: 400, tokensOut: 400 });
      await expect(house.reserve(spender, { tokensIn: 300, tokensOut: 300 })).rejects.toMatchObject({ retryAfterMs: 5000, message: expect.stringContaining('800 tokens of it are held by calls under way.') });
    });

    test('without a bound for its answer takes what is left, and the last of it can be used', async () => {
      await set('day', { tokens: 1000 });
      await house.call(spender, 300, 300);
      await house.reserve(spender, { tokensIn: 100, tokensOut: null });
      expect((await state()).reserved.tokens).toBe(400);
      await expect(house.reserve(spender, { tokensIn: 1, tokensOut: null })).rejects.toMatchObject({ code: 'budget_exceeded' });
    });

    test('that failed before the model said anything costs no request; one that was refused by the model in the middle does', async () => {
      await set('day', { requests: 5, tokens: 1000 });
      await house.settle(spender, await house.reserve(spender), { outcome: 'FAILED' });
      expect((await state()).used).toMatchObject({ requests: 0, tokens: 0 });
      await house.settle(spender, await house.reserve(spender), { outcome: 'FAILED', time_to_first_token_ms: 20 }, 7);
      expect((await state()).used).toMatchObject({ requests: 1, tokens: 107 });
    });

    test('that was cancelled before its figures came counts its prompt and what was said, also when the rows are counted anew', async () => {
      await set('day', { tokens: 1000, costMicros: 10_000 });
      const row = await house.settle(spender, await house.reserve(spender, { tokensIn: 100, tokensOut: 500 }), { outcome: 'CANCELLED', time_to_first_token_ms: 3 }, 60);
      expect(row).toMatchObject({ tokens_in: null, tokens_out: null, charged_tokens: 160, charged_micros: 220 });
      expect((await state()).used).toEqual({ requests: 1, tokens: 160, costMicros: 220 });
      await house.budgets.remove(owner, { kind: 'user', id: ann.userId }, 'day');
      await set('day', { tokens: 1000, costMicros: 10_000 });
      expect((await state()).used).toEqual({ requests: 1, tokens: 160, costMicros: 220 });
    });

    test('may end twice and counts once', async () => {
      await set('day', { tokens: 1000 });
      const reservation = await house.reserve(spender);
      expect(await house.storage.write((queries) => house.budgets.isReserved(queries, reservation!))).toBe(true);
      await house.settle(spender, reservation, null);
      expect(await house.storage.write((queries) => house.budgets.isReserved(queries, reservation!))).toBe(false);
      await house.settle(spender, reservation, null);
      expect((await state()).reserved.tokens).toBe(0);
    });
  });

  describe('calls at the same time', () => {
    test('never spend the same rest twice', async () => {
      await set('day', { tokens: 10_000 });
      const other = await house.another();
      const results = await Promise.allSettled(Array.from({ length: 40 }, (_, index) => house.reserve(spender, { tokensIn: 100, tokensOut: 400 }, index % 2 ? other : house.budgets)));
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(20);
      expect(await state()).toMatchObject({ reserved: { tokens: 10_000, requests: 20 } });
    });

    test('that reserve and settle in turn end with the sum of the rows', async () => {
      await set('day', { requests: 1000, tokens: 1_000_000 });
      await set('month', { tokens: 1_000_000 });
      await Promise.all(Array.from({ length: 30 }, (_, index) => house.call(spender, 10 + index, 5)));
      const tokens = 30 * 15 + (29 * 30) / 2;
      expect(await state()).toMatchObject({ used: { requests: 30, tokens }, reserved: { requests: 0, tokens: 0 } });
      expect((await state('month')).used.tokens).toBe(tokens);
      const [stored] = await house.storage.read.selectFrom('budget_counters').select('tokens').where('period', '=', 'day').execute();
      expect(stored!.tokens).toBe(tokens);
    });
  });

  describe('a period', () => {
    test('ends at midnight UTC for a day and with the month for a month', async () => {
      await set('day', { tokens: 1000 });
      await set('month', { tokens: 1500 });
      await house.call(spender, 500, 400);
      house.now = nextDay - 1;
      await expect(house.reserve(spender, { tokensIn: 200, tokensOut: 0 })).rejects.toMatchObject({ code: 'budget_exceeded', retryAfterMs: 1000 });
      house.now = nextDay;
      await house.call(spender, 300, 200);
      expect((await state()).used.tokens).toBe(500);
      expect((await state('month')).used.tokens).toBe(1400);
      await expect(house.reserve(spender, { tokensIn: 200, tokensOut: 0 })).rejects.toMatchObject({ message: expect.stringContaining('a month') });
      house.now = nextMonth;
      expect(await house.reserve(spender, { tokensIn: 900, tokensOut: 0 })).not.toBeNull();
      expect((await state('month')).used.tokens).toBe(0);
    });

    test('counts a call in the one in which it ended, and holds it in both', async () => {
      await set('day', { tokens: 1000 });
      house.now = nextDay - 1000;
      const reservation = await house.reserve(spender, { tokensIn: 300, tokensOut: 300 });
      house.now = nextDay + 60_000;
      await expect(house.reserve(spender, { tokensIn: 300, tokensOut: 300 })).rejects.toMatchObject({ code: 'budget_exceeded' });
      await house.settle(spender, reservation, { tokens_in: 300, tokens_out: 250, cost_micros: 1 });
      expect((await state()).used.tokens).toBe(550);
    });

    test('is not begun again by an instance whose clock is behind', async () => {
      await set('day', { tokens: 1000 });
      house.now = nextDay + 1000;
      await house.call(spender, 300, 300);
      house.now = nextDay - 60_000;
      await expect(house.reserve(spender, { tokensIn: 500, tokensOut: 0 })).rejects.toMatchObject({ code: 'budget_exceeded' });
    });
  });

  describe('a budget that is set later', () => {
    test('counts what was used in the period, and not what was used before it', async () => {
      house.now = Date.UTC(2030, 3, 30, 23);
      await house.call(spender, 100_000, 1);
      house.now = Date.UTC(2030, 4, 1);
      await house.call(spender, 40, 2);
      house.now = noon;
      await house.call(spender, 10, 1);
      expect(await set('month', { tokens: 100 })).toMatchObject({ used: { tokens: 53, requests: 2 }, source: 'own' });
      expect(await set('day', { tokens: 100 })).toMatchObject({ used: { tokens: 11, requests: 1 } });
      await expect(house.reserve(spender, { tokensIn: 48, tokensOut: 0 })).rejects.toMatchObject({ code: 'budget_exceeded' });
      expect(await house.reserve(spender, { tokensIn: 47, tokensOut: 0 })).not.toBeNull();
    });

    test('holds for other instances at once by a hint, and without one a few seconds later', async () => {
      const told = await house.another({ bus: house.bus });
      const alone = await house.another();
      for (const each of [told, alone]) expect(await each.mayApply(house.storage.read, spender)).toBe(false);
      await set('day', { requests: 0 });
      expect(await told.mayApply(house.storage.read, spender)).toBe(true);
      expect(await alone.mayApply(house.storage.read, spender)).toBe(false);
      house.now += 3000;
      expect(await alone.mayApply(house.storage.read, spender)).toBe(true);
    });

    test('counts calls that were under way, and those that an instance which had not heard of it ended', async () => {
      await set('day', { tokens: 1000 });
      await house.reserve(spender, { tokensIn: 1, tokensOut: 0 });
      await house.settle(spender, null, { tokens_in: 300, tokens_out: 0, cost_micros: 0 });
      expect((await state()).used.tokens).toBe(300);
      // An instance that believes there is no budget stores its row and leaves the counter alone.
      await house.storage.write((queries) => queries.insertInto('usage').values({
        id: newId(), user_id: ann.userId, api_key_id: null, message_id: null, dialect: 'test', kind: 'chat', model: 'test/cheap', tokens_in: 600, tokens_out: 0, cost_micros: 0,
        duration_ms: 1, time_to_first_token_ms: 1, outcome: 'DELIVERED', created_at: house.now,
      }).execute());
      house.now += 30_000;
      await expect(house.reserve(spender, { tokensIn: 200, tokensOut: 0 })).rejects.toMatchObject({ code: 'budget_exceeded' });
      expect((await state()).used.tokens).toBe(900);
    });

    test('that is lowered or removed holds from then on', async () => {
      await set('day', { tokens: 1000 });
      await house.call(spender, 200, 0);
      await set('day', { tokens: 200 });
      await expect(house.reserve(spender, { tokensIn: 1, tokensOut: 0 })).rejects.toMatchObject({ code: 'budget_exceeded' });
      await house.budgets.remove(owner, { kind: 'user', id: ann.userId }, 'day');
      expect(await house.reserve(spender, { tokensIn: 10_000, tokensOut: 0 })).toBeNull();
      expect(await house.budgets.list(ann)).toEqual([]);
    });
  });

  describe('a reservation', () => {
    test('of a process that died runs out', async () => {
      await set('day', { requests: 1 });
      await house.reserve(spender);
      await expect(house.reserve(spender)).rejects.toMatchObject({ code: 'budget_exceeded' });
      await house.storage.write((queries) => queries.updateTable('budget_reservations').set({ expires_at: 1 }).execute());
      expect(await house.reserve(spender)).not.toBeNull();
    });

    test('of a turn holds as long as the turn is there', async () => {
      const { userId, messageIds } = await addRunningTurns(house.storage, 1);
      const other: Spender = { userId, role: 'user', apiKeyId: null };
      await house.budgets.set(owner, { kind: 'user', id: userId }, 'day', { ...unbounded, requests: 1 });
      await house.storage.write((queries) => house.budgets.reserve(queries, other, messageIds[0]!, { model: 'test/cheap', tokensIn: 1, tokensOut: 1 }, 'turn'));
      await house.storage.write((queries) => queries.updateTable('budget_reservations').set({ expires_at: 1 }).execute());
      await expect(house.reserve(other)).rejects.toMatchObject({ code: 'budget_exceeded' });
      await house.storage.write((queries) => queries.deleteFrom('turns').execute());
      expect(await house.reserve(other)).not.toBeNull();
    });

    test('is freed when its server stops, and counters are counted anew at the start', async () => {
      await set('day', { requests: 3 });
      await house.call(spender, 1, 1);
      const other = await house.another();
      await house.reserve(spender, {}, other);
      expect((await state()).reserved.requests).toBe(1);
      await other.stop?.();
      expect((await state()).reserved.requests).toBe(0);
      await house.storage.write((queries) => queries.updateTable('budget_counters').set({ requests: 17 }).execute());
      await house.another();
      expect((await state()).used.requests).toBe(1);
    });
  });

  describe('a key', () => {
    test('has a budget of its own, and counts for its user as well', async () => {
      const [first, second] = [await house.key(ann, 'first'), await house.key(ann, 'second')];
      await house.budgets.set(owner, { kind: 'key', id: first }, 'day', { ...unbounded, requests: 2 });
      await set('day', { requests: 4 });
      await house.call(spenderFor(ann, first), 1, 1);
      await house.call(spenderFor(ann, first), 1, 1);
      await expect(house.reserve(spenderFor(ann, first))).rejects.toMatchObject({ message: 'The budget of this API key of 2 requests a day is used up. It starts anew at 2030-05-11 00:00 UTC.' });
      await house.call(spenderFor(ann, second), 1, 1);
      await house.call(spender, 1, 1);
      await expect(house.reserve(spenderFor(ann, second))).rejects.toMatchObject({ message: expect.stringContaining('Your budget of 4 requests a day') });
      expect(await house.budgets.list(ann)).toMatchObject([
        { subject: { kind: 'user', id: ann.userId }, label: 'ann', used: { requests: 4 } },
        { subject: { kind: 'key', id: first }, label: 'first (ask_12345678...)', used: { requests: 2 } },
      ]);
    });
  });

  describe('money', () => {
    test('is held by the price of the model and counted as it was spent', async () => {
      await set('month', { costMicros: 100_000 });
      const reservation = await house.reserve(spender, { model: 'test/dear', tokensIn: 100, tokensOut: 300 });
      expect((await state('month')).reserved.costMicros).toBe(70_000);
      await expect(house.reserve(spender, { model: 'test/dear', tokensIn: 300, tokensOut: 100 })).rejects.toMatchObject({
        message: 'Your budget of $0.10 a month has $0.03 left, and this call may need $0.05. $0.07 of it are held by calls under way. It starts anew at 2030-06-01 00:00 UTC.',
      });
      await house.settle(spender, reservation, { model: 'test/dear', tokens_in: 100, tokens_out: 100, cost_micros: 30_000 });
      expect((await state('month')).used.costMicros).toBe(30_000);
    });

    test('that is used up leaves models that cost nothing', async () => {
      await set('day', { costMicros: 0 });
      await expect(house.reserve(spender)).rejects.toMatchObject({ code: 'budget_exceeded' });
      expect(await house.reserve(spender, { model: 'test/free', tokensOut: null })).not.toBeNull();
    });

    test('refuses models without a known price, unless that is allowed', async () => {
      await set('day', { costMicros: 1000 });
      await expect(house.reserve(spender, { model: 'test/unknown' })).rejects.toMatchObject({
        code: 'forbidden', message: 'Your budget of $0.001000 a day is in money, and the price of test/unknown is not known: choose another model, or ask an administrator.',
      });
      const lenient = await house.another({ settings: { perUser: [], unpriced: 'allow' } });
      const reservation = await house.reserve(spender, { model: 'test/unknown' }, lenient);
      await house.settle(spender, reservation, { model: 'test/unknown', tokens_in: 5, tokens_out: 5 }, 0, lenient);
      expect((await state()).used).toEqual({ requests: 1, tokens: 10, costMicros: 0 });
    });
  });
});
