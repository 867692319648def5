import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { silentLog } from '../../base/observability/index.ts';
import { Subscriptions } from './subscriptions.ts';

let subscriptions: Subscriptions<object>;
let told: string[];
const says = (text: string) => async (): Promise<void> => void told.push(text);

beforeEach(() => {
  vi.useFakeTimers();
  subscriptions = new Subscriptions(silentLog());
  told = [];
});
afterEach(() => {
  subscriptions.endAll();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test('who subscribes is told at once, and then at its pace', async () => {
  subscriptions.begin({}, 'ann', 5000, says('figures'));
  expect(told).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(4999);
  expect(told).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(told).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(50_000);
  expect(told).toHaveLength(12);
});

test('the pace is a second at least, and an hour at most', () => {
  expect([0.001, 999, 1500, 1e12, Infinity].map((everyMs) => subscriptions.begin({}, 'ann', everyMs, says('')))).toEqual([1000, 1000, 1500, 3_600_000, 3_600_000]);
});

test('a subscriber has one subscription: the last', async () => {
  const ann = {};
  subscriptions.begin(ann, 'ann', 1000, says('first'));
  subscriptions.begin(ann, 'ann', 2000, says('second'));
  expect([subscriptions.size, vi.getTimerCount()]).toEqual([1, 1]);
  await vi.advanceTimersByTimeAsync(2000);
  expect(told).toEqual(['first', 'second', 'second']);
});

test('a report that is still being made when it ends, or another takes its place, is told to nobody', async () => {
  const ann = {};
  const reading = Promise.withResolvers<void>();
  const slowly = (text: string) => async (isCurrent: () => boolean): Promise<void> => {
    await reading.promise;
    if (isCurrent()) told.push(text);
  };
  subscriptions.begin(ann, 'ann', 1000, slowly('replaced'));
  subscriptions.begin(ann, 'ann', 1000, slowly('current'));
  const ben = {};
  subscriptions.begin(ben, 'ben', 1000, slowly('ended'));
  subscriptions.end(ben);
  reading.resolve();
  await vi.advanceTimersByTimeAsync(1);
  expect(told).toEqual(['current']);
});

test('nothing is left behind an end', async () => {
  const ann = {};
  subscriptions.begin(ann, 'ann', 1000, says('figures'));
  expect([subscriptions.end(ann), subscriptions.end(ann), subscriptions.size, vi.getTimerCount()]).toEqual([true, false, 0, 0]);
  await vi.advanceTimersByTimeAsync(5000);
  expect(told).toHaveLength(1);
});

test('a report that takes long, or fails, is no reason for two at a time, or for none any more', async () => {
  let running = 0;
  let most = 0;
  subscriptions.begin({}, 'ann', 1000, async () => {
    running += 1;
    most = Math.max(most, running);
    told.push('begun');
    await new Promise((resolve) => setTimeout(resolve, 2500));
    running -= 1;
    throw new Error('the database is away');
  });
  await vi.advanceTimersByTimeAsync(6000);
  expect([most, told.length]).toEqual([1, 3]);
  subscriptions.endAll();
  await vi.advanceTimersByTimeAsync(3000);
});

test('a user can have twenty, and another user is not kept out by them', () => {
  const own = Array.from({ length: 20 }, () => ({}));
  for (const subscriber of own) subscriptions.begin(subscriber, 'ann', 1000, says(''));
  expect(() => subscriptions.begin({}, 'ann', 1000, says(''))).toThrow('At most 20');
  subscriptions.begin({}, 'ben', 1000, says(''));
  // One that is there already may subscribe again.
  subscriptions.begin(own[0]!, 'ann', 2000, says(''));
  subscriptions.end(own[1]!);
  subscriptions.begin({}, 'ann', 1000, says(''));
  expect(subscriptions.size).toBe(21);
});
