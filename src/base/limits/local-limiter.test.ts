import { describe } from 'vitest';
import { limiterSuite } from './limiter-suite.ts';
import { createLocalLimiter } from './local-limiter.ts';

describe('a limit in one process', () => {
  limiterSuite(() => {
    let now = 1_000_000;
    const limiter = createLocalLimiter({ now: () => now, monotonic: () => now });
    return { limiter, now: () => now, pass: (milliseconds) => void (now += milliseconds) };
  });
});
