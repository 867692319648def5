export { readRedisAddress } from './address.ts';
export { isErrorReply } from './library.ts';
export { makeScript } from './link.ts';
export { createRedis } from './redis.ts';
export { RedisAwayError, type Redis, type RedisClient, type RedisLink, type Script } from './types.ts';
