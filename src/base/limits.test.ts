import { describe, expect, test } from 'vitest';
import { createLocalLimiter } from './limits.ts';

function limiterAt(start = 1_000_000) {
  let now = start;
  const limiter = createLocalLimiter({ now: () => now, monotonic: () => now });
  return { limiter, now: () => now, pass: (milliseconds: number) => void (now += milliseconds) };
}

describe('a limit in one process', () => {
  const limit = { name: 'messages', count: 3, windowMs: 60_000 };

  test('lets the count through in any window, and says when the next is allowed', async () => {
    const { limiter, pass } = limiterAt();
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
    const { limiter, pass } = limiterAt();
    for (let n = 0; n < 5; n += 1) await limiter.take(limit, 'ann');
    expect((await limiter.take(limit, 'bob')).allowed).toBe(true);
    expect((await limiter.take({ ...limit, name: 'logins' }, 'ann')).allowed).toBe(true);
    pass(60_000);
    expect((await limiter.take(limit, 'ann')).remaining).toBe(2);
  });

  test('never lets more than the count through, however fast the events come', async () => {
    const { limiter, pass, now } = limiterAt();
    const many = { name: 'requests', count: 5000, windowMs: 10_000 };
    const allowedAt: number[] = [];
    for (let at = 0; at < 25_000; at += 1) {
      if ((await limiter.take(many, 'ann')).allowed) allowedAt.push(now());
      if (at % 3 === 0) pass(3);
    }
    for (let index = many.count; index < allowedAt.length; index += 1) {
      expect(allowedAt[index]! - allowedAt[index - many.count]!).toBeGreaterThanOrEqual(many.windowMs);
    }
    expect(allowedAt.length).toBeGreaterThan(9000);
  });

  test('of nothing refuses everything; of no number, nothing', async () => {
    const { limiter } = limiterAt();
    expect(await limiter.take({ ...limit, count: 0 }, 'ann')).toMatchObject({ allowed: false, retryAfterMs: 60_000 });
    expect((await limiter.take({ ...limit, count: Infinity }, 'ann')).allowed).toBe(true);
  });
});
