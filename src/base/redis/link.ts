import { hash } from 'node:crypto';
import type { RedisAddress } from './address.ts';
import { isErrorReply, redisLibrary } from './library.ts';
import { RedisAwayError, type RedisClient, type RedisLink, type Script } from './types.ts';

/** Milliseconds for one attempt to connect. */
const connectMs = 3000;
/** Pauses between attempts, milliseconds: they double from the first to the longest. */
const firstPauseMs = 100;
const longestPauseMs = 2000;
/** How often a quiet connection is asked for a sign of life, and how long it may take for one, milliseconds. */
const pingEveryMs = 2000;
const pingPatienceMs = 3000;
/** Milliseconds that a stopping connection waits for the answers it is owed. */
const goodbyeMs = 1000;
/** Commands that may wait for their answers; more are refused. */
const mostCommands = 10_000;

/**
 * A connection that is made again whenever it is lost. Each attempt is a client of its own: nothing that waited on the
 * old one (queued commands, half of a reply) can reach the new one.
 */
export class SelfMendingLink implements RedisLink {
  client: RedisClient | null = null;
  problem = 'not connected yet';
  readonly #address: RedisAddress;
  readonly #name: string;
  readonly #onConnect: ((client: RedisClient) => void)[] = [];
  readonly #onLost: (() => void)[] = [];
  /** The client of an attempt under way, or the connected one. */
  #current: RedisClient | null = null;
  #stopped = true;
  #pauseMs = firstPauseMs;
  #timer: NodeJS.Timeout | undefined;
  #firstAttempt: Promise<unknown> = Promise.resolve();

  constructor(address: RedisAddress, name: string) {
    this.#address = address;
    this.#name = name;
  }

  onConnect(listener: (client: RedisClient) => void): void {
    this.#onConnect.push(listener);
    if (this.client) listener(this.client);
  }

  onLost(listener: () => void): void {
    this.#onLost.push(listener);
  }

  /** Resolves when the first attempt has ended, with its error or null; others follow by themselves. */
  async start(): Promise<unknown> {
    this.#stopped = false;
    this.#firstAttempt = this.#attempt();
    return await this.#firstAttempt;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const client = this.client;
    this.client = null;
    this.problem = 'stopped';
    // What was published last still goes out.
    if (client) await within(goodbyeMs, client.close()).catch(() => undefined);
    this.#current?.destroy();
    this.#current = null;
    await this.#firstAttempt;
  }

  async command(words: readonly string[], timeoutMs: number): Promise<unknown> {
    if (!this.client) throw new RedisAwayError(`Redis is away: ${this.problem}.`);
    return await within(timeoutMs, this.client.sendCommand(words));
  }

  async script({ text, digest }: Script, keys: readonly string[], values: readonly string[], timeoutMs: number): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...values];
    try {
      return await this.command(['EVALSHA', digest, ...rest], timeoutMs);
    } catch (error) {
      // A Redis that was started anew has forgotten its scripts.
      if (!isErrorReply(error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return await this.command(['EVAL', text, ...rest], timeoutMs);
    }
  }

  async #attempt(): Promise<unknown> {
    const client = await this.#makeClient();
    if (this.#stopped) return null;
    this.#current = client;
    // The listener is needed: an error event without one would end the process.
    client.on('error', (error: unknown) => this.#lose(client, error));
    try {
      await within(connectMs, client.connect());
      if (this.#current !== client) return null;
      this.client = client;
      this.#pauseMs = firstPauseMs;
      this.#watch(client);
      for (const listener of this.#onConnect) listener(client);
      return null;
    } catch (error) {
      this.#lose(client, error);
      return error;
    }
  }

  async #makeClient(): Promise<RedisClient> {
    const { createClient } = await redisLibrary();
    const { socket, ...login } = this.#address;
    return createClient({
      ...login,
      name: this.#name,
      socket: { ...socket, connectTimeout: connectMs, reconnectStrategy: false },
      disableOfflineQueue: true,
      commandsQueueMaxLength: mostCommands,
      maintNotifications: 'disabled',
      disableClientInfo: true,
    } as Parameters<typeof createClient>[0]) as RedisClient;
  }

  /** Ends a client that cannot be used any more, once, and plans the next attempt. */
  #lose(client: RedisClient, error: unknown): void {
    if (this.#current !== client) return;
    this.#current = null;
    clearTimeout(this.#timer);
    const wasConnected = this.client === client;
    this.client = null;
    this.problem = describe(error);
    client.destroy();
    if (wasConnected) for (const listener of this.#onLost) listener();
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#attempt(), this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs);
  }

  /** A Redis that hangs, or a network that swallows everything, closes no connection: only silence tells. */
  #watch(client: RedisClient): void {
    this.#timer = setTimeout(() => {
      within(pingPatienceMs, client.sendCommand(['PING'])).then(
        () => {
          if (this.client === client) this.#watch(client);
        },
        (error: unknown) => this.#lose(client, error),
      );
    }, pingEveryMs);
    this.#timer.unref();
  }
}

export function makeScript(text: string): Script {
  return { text, digest: hash('sha1', text) };
}

/** @throws {RedisAwayError} when the time is over */
async function within<Result>(milliseconds: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RedisAwayError('Redis does not answer.')), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** An error in a few words. Those of the socket name an address and a port at most. */
function describe(error: unknown): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return describe(error.errors[0]);
  return error instanceof Error ? error.message.replace(/\.$/, '').slice(0, 200) || error.name : 'unknown error';
}
