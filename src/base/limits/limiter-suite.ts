import { expect, test, vi } from 'vitest';
import type { Limiter } from './types.ts';

/** A limiter whose time a test moves. */
export interface LimiterAtTime {
  limiter: Limiter;
  now(): number;
  pass(milliseconds: number): void;
}

/** What every limiter does. @param make a limiter that has counted nothing yet */
export function limiterSuite(make: () => LimiterAtTime): void {
  const limit = { name: 'messages', count: 3, windowMs: 60_000 };

  test('lets the count through in any window, and says when the next is allowed', async () => {
    const { limiter, pass } = make();
    const remaining = [];
    for (let n = 0; n < 3; n += 1) {
      remaining.push((await limiter.take(limit, 'ann')).remaining);
      pass(1000);
    }
    expect(remaining).toEqual([2, 1, 0]);
    expect(await limiter.take(limit, 'ann')).toEqual({ allowed: false, remaining: 0, retryAfterMs: 57_000 });
    pass(57_000);
    expect((await limiter.take(limit, 'ann')).allowed).toBe(true);
    expect((await limiter.take(limit, 'ann')).allowed).toBe(false);
  });

  test('counts each subject and each limit alone, and refused events not at all', async () => {
    const { limiter, pass } = make();
    for (let n = 0; n < 5; n += 1) await limiter.take(limit, 'ann');
    expect((await limiter.take(limit, 'bob')).allowed).toBe(true);
    expect((await limiter.take({ ...limit, name: 'logins' }, 'ann')).allowed).toBe(true);
    pass(60_000);
    expect((await limiter.take(limit, 'ann')).remaining).toBe(2);
  });

  test('never lets more than the count through, however fast the events come', async () => {
    const { limiter, pass, now } = make();
    const many = { name: 'requests', count: 500, windowMs: 2000 };
    const allowedAt: number[] = [];
    for (let at = 0; at < 5000; at += 1) {
      if ((await limiter.take(many, 'ann')).allowed) allowedAt.push(now());
      pass(1);
    }
    for (let index = many.count; index < allowedAt.length; index += 1) {
      expect(allowedAt[index]! - allowedAt[index - many.count]!).toBeGreaterThanOrEqual(many.windowMs);
    }
    expect(allowedAt.length).toBeGreaterThan(1000);
  });

  test('lets several together through or none of them, and says when there is room for all', async () => {
    const { limiter, pass } = make();
    const ten = { name: 'calls', count: 10, windowMs: 60_000 };
    expect(await limiter.take(ten, 'ann', 4)).toEqual({ allowed: true, remaining: 6, retryAfterMs: 0 });
    pass(10_000);
    expect(await limiter.take(ten, 'ann', 3)).toMatchObject({ allowed: true, remaining: 3 });
    pass(10_000);
    expect(await limiter.take(ten, 'ann', 6)).toEqual({ allowed: false, remaining: 3, retryAfterMs: 40_000 });
    expect(await limiter.take(ten, 'ann', 8)).toEqual({ allowed: false, remaining: 3, retryAfterMs: 50_000 });
    expect(await limiter.take(ten, 'ann', 3)).toMatchObject({ allowed: true, remaining: 0 });
    expect(await limiter.take(ten, 'ann', 11)).toMatchObject({ allowed: false, retryAfterMs: 60_000 });
    pass(40_000);
    expect(await limiter.take(ten, 'ann', 4)).toMatchObject({ allowed: true, remaining: 0 });
  });

  test('of nothing refuses everything; of no number, nothing', async () => {
    const { limiter } = make();
    expect(await limiter.take({ ...limit, count: 0 }, 'ann')).toMatchObject({ allowed: false, retryAfterMs: 60_000 });
    expect((await limiter.take({ ...limit, count: Infinity }, 'ann')).allowed).toBe(true);
  });

  test('holds as many places as there are for each subject, and takes back each of them once', async () => {
    const { limiter } = make();
    const sockets = { name: 'sockets', count: 2 };
    const [first, second] = [await limiter.hold(sockets, 'ann'), await limiter.hold(sockets, 'ann')];
    expect(await limiter.hold(sockets, 'ann')).toBeNull();
    expect(await limiter.hold(sockets, 'bob')).not.toBeNull();
    expect(await limiter.hold({ ...sockets, name: 'rooms' }, 'ann')).not.toBeNull();
    first!();
    first!();
    await vi.waitFor(async () => expect(await limiter.hold(sockets, 'ann')).not.toBeNull(), { timeout: 3000 });
    expect(await limiter.hold(sockets, 'ann')).toBeNull();
    second!();
  });
}
