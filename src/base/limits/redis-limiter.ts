import type { Clock } from '../clock.ts';
import type { Log, Metrics } from '../observability/index.ts';
import { makeScript, RedisAwayError, type Redis } from '../redis/index.ts';
import { createLocalLimiter } from './local-limiter.ts';
import { RedisPlaces } from './redis-places.ts';
import { momentsPerWindow, type Limit, type Limiter, type LimitVerdict } from './types.ts';

/**
 * The same sliding window as the local limiter, in one atomic step, by the clock of Redis. One hash for each subject:
 * `first` and `last` number the moments that are kept, `sum` counts their events, and each moment is
 * "<its first event> <its last event> <events>" in milliseconds. It expires one window after its last event.
 * ARGV: count, window in milliseconds, moments in a window, events that come together, and for tests a time in place of
 * the clock's.
 */
const takeOne = makeScript(`
local now = tonumber(ARGV[5])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local count, window, together = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local key = KEYS[1]
local known = redis.call('HMGET', key, 'first', 'last', 'sum')
local first, last, sum = tonumber(known[1] or 1), tonumber(known[2] or 0), tonumber(known[3] or 0)
local function moment(number)
  local from, at, events = string.match(redis.call('HGET', key, number), '(%d+) (%d+) (%d+)')
  return tonumber(from), tonumber(at), tonumber(events)
end
local before, kept = now - window, first
while first <= last do
  local from, at, events = moment(first)
  if at > before then break end
  redis.call('HDEL', key, first)
  first, sum = first + 1, sum - events
end
if sum + together > count then
  if first ~= kept then redis.call('HSET', key, 'first', first, 'sum', sum) end
  local number, wanted = first, sum + together - count
  local from, at, events = moment(number)
  while events < wanted do
    wanted, number = wanted - events, number + 1
    from, at, events = moment(number)
  end
  return {0, math.max(0, count - sum), at + window - now}
end
local from, events = now, 0
if first <= last then
  local lastFrom, lastAt, lastEvents = moment(last)
  if now - lastFrom < window / tonumber(ARGV[3]) then from, events = lastFrom, lastEvents else last = last + 1 end
else
  last = last + 1
end
sum = sum + together
redis.call('HSET', key, last, string.format('%.0f %.0f %.0f', from, now, events + together), 'first', first, 'last', last, 'sum', sum)
redis.call('PEXPIRE', key, window + 1000)
return {1, count - sum, 0}
`);

/** Milliseconds that a request waits for Redis at most. */
const patienceMs = 500;
/** After Redis was too slow or failed: milliseconds in which nobody else waits for it. */
const pauseMs = 1000;
/** Longer subjects are cut: they come from outside. */
const longestSubject = 200;

interface RedisLimiterParts {
  /** Started before the first event is counted. */
  redis: Redis;
  instanceId: string;
  clock: Clock;
  log: Log;
  metrics: Pick<Metrics, 'limitsCountedAlone'>;
  /** For tests: milliseconds since the epoch in place of the time of Redis. */
  redisTime?: () => number;
}

/**
 * Limits that hold over all instances. While Redis is away, slow or refuses, this instance counts by itself from
 * nothing: each of them then lets the whole count through. No request fails or waits longer than half a second for it.
 */
export function createRedisLimiter({ redis, instanceId, clock, log, metrics, redisTime }: RedisLimiterParts): Limiter {
  const local = createLocalLimiter(clock);
  const places = new RedisPlaces(redis, instanceId);
  let pausedUntil = -Infinity;
  let isAlone = false;

  const alone = (limit: Limit, subject: string, together: number): Promise<LimitVerdict> => {
    metrics.limitsCountedAlone.inc();
    return local.take(limit, subject, together);
  };
  const failed = (error: unknown): void => {
    pausedUntil = clock.monotonic() + pauseMs;
    if (isAlone) return;
    isAlone = true;
    log.warn({ problem: error instanceof Error ? error.message : 'unknown error' }, 'Limits cannot be counted in Redis: until they can, they hold for each instance alone');
  };
  const worked = (): void => {
    if (!isAlone) return;
    isAlone = false;
    log.info('Limits are counted in Redis again');
  };

  /** That Redis is away is in the log already: the connection says so itself. */
  const canAsk = (): boolean => redis.commands.client !== null && clock.monotonic() >= pausedUntil;

  return {
    async hold({ name, count }, given) {
      const key = `${name}:${given.slice(0, longestSubject)}`;
      const alone = (): (() => void) | null => (places.mine(key) >= count ? null : places.takeAlone(key));
      if (!canAsk()) return alone();
      try {
        const free = await places.take(key, count, patienceMs);
        worked();
        return free;
      } catch (error) {
        if (redis.commands.client || !(error instanceof RedisAwayError)) failed(error);
        return alone();
      }
    },
    async take(limit, subject, together = 1) {
      if (limit.count === Infinity || limit.count < together) return local.take(limit, subject, together);
      if (!canAsk()) return alone(limit, subject, together);
      const key = `${redis.prefix}limit:${limit.name}:${subject.slice(0, longestSubject)}`;
      const values = [String(limit.count), String(Math.ceil(limit.windowMs)), String(momentsPerWindow), String(together), redisTime ? String(redisTime()) : ''];
      try {
        const verdict = verdictOf(await redis.commands.script(takeOne, [key], values, patienceMs));
        worked();
        return verdict;
      } catch (error) {
        if (redis.commands.client || !(error instanceof RedisAwayError)) failed(error);
        return alone(limit, subject, together);
      }
    },
  };
}

/** @throws {Error} when something else than our script has answered */
function verdictOf(reply: unknown): LimitVerdict {
  if (!Array.isArray(reply) || reply.length !== 3 || !reply.every((value) => typeof value === 'number')) throw new Error('Redis gave an answer of another form.');
  const [allowed, remaining, retryAfterMs] = reply as [number, number, number];
  return { allowed: allowed === 1, remaining, retryAfterMs };
}
