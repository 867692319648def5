export { createLocalLimiter } from './local-limiter.ts';
export { createRedisLimiter } from './redis-limiter.ts';
export type { Limit, Limiter, LimitVerdict } from './types.ts';
