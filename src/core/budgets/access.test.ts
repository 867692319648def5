import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { newId } from '../../base/ids.ts';
import type { Viewer } from '../accounts/index.ts';
import { noon, openBudgetHouse, spenderFor, unbounded, type BudgetHouse } from './testing.ts';

describe.each(engines)('budgets for everybody on %s', (engine) => {
  let house: BudgetHouse;
  beforeEach(async () => {
    house = await openBudgetHouse(engine, { perUser: [{ period: 'day', requests: 1, tokens: null, costMicros: null }], unpriced: 'refuse' });
  });
  afterEach(() => house.close());

  test('hold for users and administrators, not for the owner', async () => {
    const people = [await house.user('ann'), await house.user('adam', 'admin')];
    for (const person of people) {
      await house.call(spenderFor(person), 1, 1);
      await expect(house.reserve(spenderFor(person))).rejects.toMatchObject({ code: 'budget_exceeded' });
    }
    const owner = await house.user('owner', 'owner');
    expect(await house.reserve(spenderFor(owner))).toBeNull();
    expect(await house.budgets.list(owner)).toEqual([]);
    expect(await house.budgets.list(people[0]!)).toMatchObject([{ source: 'default', bounds: { requests: 1, tokens: null }, used: { requests: 1 } }]);
  });

  test('give way to what was set for somebody, also when that bounds nothing', async () => {
    const [owner, ann] = [await house.user('owner', 'owner'), await house.user('ann')];
    const subject = { kind: 'user' as const, id: ann.userId };
    await house.call(spenderFor(ann), 1, 1);
    await house.budgets.set(owner, subject, 'day', { ...unbounded, requests: 2 });
    await house.call(spenderFor(ann), 1, 1);
    await expect(house.reserve(spenderFor(ann))).rejects.toMatchObject({ message: expect.stringContaining('2 requests') });
    await house.budgets.set(owner, subject, 'day', unbounded);
    expect(await house.reserve(spenderFor(ann))).toBeNull();
    expect(await house.budgets.list(ann)).toMatchObject([{ source: 'own', bounds: unbounded }]);
    await house.budgets.remove(owner, subject, 'day');
    await expect(house.reserve(spenderFor(ann))).rejects.toMatchObject({ message: expect.stringContaining('1 request a day') });
  });
});

describe.each(engines)('who may read and set budgets on %s', (engine) => {
  let house: BudgetHouse;
  let people: Record<'owner' | 'admin' | 'ann' | 'bob', Viewer>;
  beforeEach(async () => {
    house = await openBudgetHouse(engine);
    people = { owner: await house.user('owner', 'owner'), admin: await house.user('admin', 'admin'), ann: await house.user('ann'), bob: await house.user('bob') };
    await house.call(spenderFor(people.ann), 10, 5);
    await house.call(spenderFor(people.bob), 1000, 500);
  });
  afterEach(() => house.close());

  const subject = () => ({ kind: 'user' as const, id: people.bob.userId });

  test('a user reads the own alone, and sets none: not even the own', async () => {
    const { ann, bob, owner } = people;
    await house.budgets.set(owner, subject(), 'day', { ...unbounded, tokens: 5000 });
    expect(await house.budgets.list(ann)).toEqual([]);
    for (const whose of [bob.userId, null]) {
      await expect(house.budgets.list(ann, whose)).rejects.toMatchObject({ code: 'forbidden' });
      await expect(house.budgets.usage(ann, { groupBy: 'user', userId: whose })).rejects.toMatchObject({ code: 'forbidden' });
    }
    expect(await house.budgets.usage(ann, { groupBy: 'user' })).toMatchObject([{ label: 'ann', tokensIn: 10 }]);
    for (const viewer of [ann, bob]) {
      await expect(house.budgets.set(viewer, subject(), 'day', unbounded)).rejects.toMatchObject({ code: 'forbidden' });
      await expect(house.budgets.remove(viewer, subject(), 'day')).rejects.toMatchObject({ code: 'forbidden' });
    }
    expect(await house.budgets.list(bob)).toMatchObject([{ bounds: { tokens: 5000 }, used: { tokens: 1500 } }]);
  });

  test('an administrator reads and sets all, but only with a credential made for it', async () => {
    const { admin } = people;
    await house.budgets.set(admin, subject(), 'month', { ...unbounded, costMicros: 5_000_000 });
    expect(await house.budgets.list(admin, null)).toMatchObject([{ label: 'bob', period: 'month' }]);
    expect(await house.budgets.usage(admin, { groupBy: 'user', userId: null })).toMatchObject([{ label: 'bob' }, { label: 'ann' }]);
    const key: Viewer = { ...admin, scopes: ['read', 'write', 'chat'], via: 'api-key' };
    await expect(house.budgets.set(key, subject(), 'month', unbounded)).rejects.toMatchObject({ code: 'forbidden' });
    await expect(house.budgets.usage(key, { groupBy: 'day', userId: null })).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('names what is not there and bounds that are none', async () => {
    const { owner } = people;
    await expect(house.budgets.set(owner, { kind: 'user', id: newId() }, 'day', unbounded)).rejects.toMatchObject({ code: 'not_found' });
    await expect(house.budgets.set(owner, { kind: 'key', id: 'no id' }, 'day', unbounded)).rejects.toMatchObject({ code: 'not_found' });
    await expect(house.budgets.remove(owner, subject(), 'day')).rejects.toMatchObject({ code: 'not_found' });
    await expect(house.budgets.list(owner, newId())).rejects.toMatchObject({ code: 'not_found' });
    for (const tokens of [-1, 1.5, 1e16]) await expect(house.budgets.set(owner, subject(), 'day', { ...unbounded, tokens })).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe.each(engines)('usage on %s', (engine) => {
  let house: BudgetHouse;
  let ann: Viewer;
  beforeEach(async () => {
    house = await openBudgetHouse(engine);
    ann = await house.user('ann');
    const key = await house.key(ann, 'laptop');
    await house.call(spenderFor(ann), 100, 50, { created_at: noon - 86_400_000 });
    await house.call(spenderFor(ann, key), 10, 5, { model: 'test/unknown', cost_micros: null });
    await house.call(spenderFor(ann), 7, 0, { tokens_in: null, tokens_out: null, cost_micros: null, outcome: 'CANCELLED' });
    await house.call(spenderFor(ann), 20, 0, { kind: 'embedding', tokens_out: null, created_at: noon - 40 * 86_400_000 });
  });
  afterEach(() => house.close());

  test('is told by day, in order', async () => {
    expect(await house.budgets.usage(ann, { groupBy: 'day' })).toEqual([
      { group: '2030-05-09', label: '2030-05-09', calls: 1, tokensIn: 100, tokensOut: 50, costMicros: 200, callsWithoutTokens: 0, callsWithoutPrice: 0 },
      { group: '2030-05-10', label: '2030-05-10', calls: 2, tokensIn: 10, tokensOut: 5, costMicros: 0, callsWithoutTokens: 1, callsWithoutPrice: 2 },
    ]);
  });

  test('is told by model and by key, the greatest first', async () => {
    expect((await house.budgets.usage(ann, { groupBy: 'model' })).map(({ group, calls }) => [group, calls])).toEqual([['test/cheap', 2], ['test/unknown', 1]]);
    expect((await house.budgets.usage(ann, { groupBy: 'key' })).map(({ label, calls }) => [label, calls])).toEqual([['without a key', 2], ['laptop (ask_12345678...)', 1]]);
  });

  test('covers the time that was asked for', async () => {
    const [line] = await house.budgets.usage(ann, { groupBy: 'user', from: noon - 60 * 86_400_000, to: noon });
    expect(line).toMatchObject({ calls: 2, tokensIn: 120, callsWithoutTokens: 0 });
    await expect(house.budgets.usage(ann, { groupBy: 'day', from: noon, to: noon - 1 })).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(house.budgets.usage(ann, { groupBy: 'day', from: 0 })).rejects.toMatchObject({ code: 'invalid_request' });
  });
});
