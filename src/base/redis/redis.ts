import { ParleyError } from '../errors.ts';
import type { Log, Metrics } from '../observability/index.ts';
import { readRedisAddress } from './address.ts';
import { isErrorReply } from './library.ts';
import { SelfMendingLink } from './link.ts';
import type { Redis } from './types.ts';

interface RedisParts {
  /** See `readRedisAddress`. */
  url: string;
  /** Asked once at the start: names the database that the instances share. */
  databaseId: () => Promise<string>;
  log: Log;
  metrics: Pick<Metrics, 'redisConnected' | 'redisReconnects'>;
}

/** @throws {ParleyError} `invalid_request` when the address cannot be used */
export function createRedis({ url, databaseId, log, metrics }: RedisParts): Redis {
  const address = readRedisAddress(url);
  const commands = new SelfMendingLink(address, 'parley-commands');
  const messages = new SelfMendingLink(address, 'parley-messages');
  const links = [commands, messages];
  let prefix: string | null = null;
  let isAway = false;
  /** While it starts and stops, connections that come and go are no news. */
  let isRunning = false;

  const check: Redis['check'] = () => {
    const lost = links.find((link) => link.client === null);
    return lost ? { ok: false, problem: `Redis is away (${lost.problem})` } : { ok: true };
  };
  /** One line when Redis goes and one when it is back, however many attempts lie between. */
  const note = (): void => {
    const state = check();
    metrics.redisConnected.set(state.ok ? 1 : 0);
    if (!isRunning || state.ok !== isAway) return;
    isAway = !state.ok;
    if (state.ok) {
      metrics.redisReconnects.inc();
      log.info('Redis is back: limits and hints are shared between instances again');
    } else {
      log.warn({ problem: state.problem }, 'Redis is away: until it is back limits hold for each instance alone, and what happens on other instances is noticed later');
    }
  };
  for (const link of links) {
    link.onConnect(note);
    link.onLost(note);
  }

  return {
    name: 'redis',
    commands,
    messages,
    get prefix() {
      if (prefix === null) throw new Error('Redis was not started.');
      return prefix;
    },
    check,
    async start() {
      prefix = `parley:${await databaseId()}:`;
      const errors = await Promise.all(links.map((link) => link.start()));
      const refusal = errors.find((error) => isErrorReply(error) && /^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR DB index)/.test(error.message));
      if (refusal instanceof Error) {
        await Promise.all(links.map((link) => link.stop()));
        throw new ParleyError('storage_unavailable', { message: `Redis refuses this server: ${refusal.message}. Look at user and password in REDIS_URL.`, cause: refusal });
      }
      isRunning = true;
      note();
    },
    async stop() {
      isRunning = false;
      await Promise.all(links.map((link) => link.stop()));
      metrics.redisConnected.set(0);
    },
  };
}
