import { ParleyError } from '../base/errors.ts';
import { readConfigWith } from '../config.ts';
import { createParts } from '../parts.ts';
import { keepParts } from './parts-of.ts';
import type { App, Config } from './types.ts';

/**
 * Builds a whole server and starts it: the tables are there, Redis is reached where REDIS_URL names one, and pages, routes
 * and sockets answer when this resolves.
 * @param config settings over those of the environment. `PORT: 0` takes any free port
 * @throws {Error} when a setting cannot be used, the database or Redis cannot be reached, another server has the data
 * folder, or a port cannot be opened; nothing is left running then
 */
export async function createApp(config: Partial<Config> = {}): Promise<App> {
  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => (stopping ??= parts.stop());
  const parts = createParts(readConfigWith(config), {
    onReplaced: (error) => {
      parts.log.fatal({ err: error }, 'another server has this database now: stopping');
      void stop();
    },
  });
  await parts.start();
  const redis = parts.redis?.check();
  if (redis && !redis.ok) {
    // A running server gets over a Redis that goes away. One that was never there is a mistake in the settings.
    await stop();
    throw new ParleyError('storage_unavailable', { message: `${redis.problem}. Look at REDIS_URL, or leave it out for one server alone.` });
  }
  const addresses = parts.http.addresses().map(({ host, port }) => `http://${reachable(host)}:${port}`);
  const app: App = {
    address: addresses[0]!,
    addresses,
    ownerId: async () => (await parts.accounts.owner()).id,
    stop,
    [Symbol.asyncDispose]: stop,
  };
  keepParts(app, parts);
  return app;
}

/** A bound address as one that can be called from this machine. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
