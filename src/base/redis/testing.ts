import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { randomToken } from '../ids.ts';
import { createMetrics, silentLog } from '../observability/index.ts';
import { createRedis } from './redis.ts';
import type { Redis } from './types.ts';

/** The Redis for tests, or null when none is named. */
export function redisTestUrl(): string | null {
  return process.env['REDIS_URL_TEST'] ?? null;
}

/** A name that no other test uses, in place of the id of a database: keys and channels begin with it. */
export function freshDatabaseId(): string {
  return `test-${randomToken(9)}`;
}

/** Connects to the Redis for tests, or to the one given. */
export async function openTestRedis(databaseId = freshDatabaseId(), url = redisTestUrl()!): Promise<Redis> {
  const redis = createRedis({ url, databaseId: async () => databaseId, log: silentLog(), metrics: createMetrics() });
  await redis.start();
  return redis;
}

/** A Redis of its own for one test, which can be stopped, frozen and started again. */
export interface OwnRedis {
  url: string;
  start(): Promise<void>;
  /** Ends it at once. */
  stop(): Promise<void>;
  /** Lets it hang with its connections open, until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

/** Starts a Redis that listens on a socket in a folder of its own, and keeps nothing on disk. */
export async function startOwnRedis(): Promise<OwnRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-redis-'));
  const path = join(folder, 'redis.sock');
  let server: ChildProcess | null = null;
  const own: OwnRedis = {
    url: `redis+unix://${path}`,
    async start() {
      server = spawn('redis-server', ['--port', '0', '--unixsocket', path, '--dir', folder, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' });
      await answers(path);
    },
    async stop() {
      if (!server || server.exitCode !== null || server.signalCode !== null) return;
      server.kill('SIGKILL');
      await once(server, 'exit');
    },
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
    async close() {
      await own.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await own.start();
  return own;
}

async function answers(path: string): Promise<void> {
  for (const until = performance.now() + 10_000; performance.now() < until; await delay(10)) {
    const socket = connect(path);
    const isOpen = await new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true)).once('error', () => resolve(false)));
    socket.destroy();
    if (isOpen) return;
  }
  throw new Error('redis-server did not start.');
}
