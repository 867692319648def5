import type { RedisClientType } from '@redis/client';
import type { Part } from '../lifecycle.ts';

/** A client of @redis/client that is connected. */
export type RedisClient = RedisClientType;

/** One connection to Redis that mends itself. */
export interface RedisLink {
  /** The client while it is connected; null while Redis is away, before `start` and after `stop`. */
  readonly client: RedisClient | null;
  /** What is wrong while there is no client, in a few words without addresses or passwords. */
  readonly problem: string;
  /** Calls `listener` with each new client, when it has connected; at once when it has already. */
  onConnect(listener: (client: RedisClient) => void): void;
  /** Calls `listener` each time the connection is lost. */
  onLost(listener: () => void): void;
  /**
   * Sends one command.
   * @param timeoutMs time after which the answer is not waited for any more; Redis may still carry the command out
   * @throws {RedisAwayError} at once while Redis is away, and when the time is over
   */
  command(words: readonly string[], timeoutMs: number): Promise<unknown>;
  /**
   * Runs a script, which is sent whole only when Redis does not know it yet.
   * @throws {RedisAwayError} as `command` does
   */
  script(script: Script, keys: readonly string[], values: readonly string[], timeoutMs: number): Promise<unknown>;
}

/** A Lua script and the SHA-1 by which Redis knows it. */
export interface Script {
  text: string;
  digest: string;
}

/** The two connections of one instance: a connection that listens to channels takes no part in anything else. */
export interface Redis extends Part {
  /** For commands and publishing. */
  readonly commands: RedisLink;
  /** For messages of channels. */
  readonly messages: RedisLink;
  /** Begins every key and channel: instances on the same database share it, others on the same Redis do not. Known after `start`. */
  readonly prefix: string;
  /** Whether both connections work; what is wrong otherwise, for /health and `doctor`. Costs nothing. */
  check(): { ok: true } | { ok: false; problem: string };
  /**
   * Connects. When Redis does not answer it goes on trying in the background, and this resolves all the same.
   * @throws {ParleyError} `storage_unavailable` when Redis answers and refuses us: no recovery by itself is to be expected
   */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Redis cannot be asked now. */
export class RedisAwayError extends Error {}
