import { makeScript, type Redis } from '../redis/index.ts';
import { Places } from './places.ts';

/**
 * Takes a place, if one is free: KEYS are the places of the subject, a hash of instance and count, and the sign of life
 * of this instance. ARGV: this instance, the count, the beginning of the names of signs of life, milliseconds that a sign
 * lasts, milliseconds that the hash lasts. What instances without a sign of life hold is taken from them.
 */
const takePlace = makeScript(`
redis.call('SET', KEYS[2], '1', 'PX', ARGV[4])
local entries, sum = redis.call('HGETALL', KEYS[1]), 0
for i = 1, #entries, 2 do
  if redis.call('EXISTS', ARGV[3] .. entries[i]) == 1 then sum = sum + tonumber(entries[i + 1]) else redis.call('HDEL', KEYS[1], entries[i]) end
end
if sum >= tonumber(ARGV[2]) then return 0 end
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
`);

/** Says how many places this instance holds: ARGV is this instance, milliseconds that the hash lasts, and a count for each of KEYS. */
const tellPlaces = makeScript(`
for i, key in ipairs(KEYS) do
  if ARGV[i + 2] == '0' then redis.call('HDEL', key, ARGV[1])
  else redis.call('HSET', key, ARGV[1], ARGV[i + 2]) redis.call('PEXPIRE', key, ARGV[2]) end
end
return 1
`);

/** How often this instance gives a sign of life, and how long one lasts, milliseconds. */
const signEveryMs = 5000;
const signLastsMs = 20_000;
/** How long a hash lasts that nobody touches, and how often each of ours is touched, milliseconds. */
const hashLastsMs = 3_600_000;
const touchEveryMs = 1_200_000;
/** Keys that one script tells. */
const groupSize = 500;
const backgroundMs = 2000;

/** Places over all instances, in Redis. Those of this process are counted here as well, and told again when Redis is back. */
export class RedisPlaces {
  readonly #redis: Redis;
  readonly #instanceId: string;
  readonly #mine = new Places();
  /** Keys whose count in Redis is not known to be right. */
  readonly #untold = new Set<string>();
  #givesSigns = false;
  #touchedAt = performance.now();
  #telling = false;

  constructor(redis: Redis, instanceId: string) {
    this.#redis = redis;
    this.#instanceId = instanceId;
    redis.commands.onConnect(() => {
      for (const [key] of this.#mine.entries()) this.#untold.add(key);
      this.#tellSoon();
    });
  }

  /** How many places this instance holds. */
  mine(key: string): number {
    return this.#mine.of(key);
  }

  /** @throws {RedisAwayError} and what Redis answers */
  async take(key: string, count: number, patienceMs: number): Promise<(() => void) | null> {
    const alive = this.#sign('');
    const values = [this.#instanceId, String(count), alive, String(signLastsMs), String(hashLastsMs)];
    let taken: unknown;
    try {
      taken = await this.#redis.commands.script(takePlace, [this.#keyOf(key), this.#sign(this.#instanceId)], values, patienceMs);
    } catch (error) {
      // It may have been taken there all the same.
      this.#untold.add(key);
      throw error;
    }
    return taken === 1 ? this.#hold(key) : null;
  }

  /** Takes a place without asking Redis, which is told when it is back. */
  takeAlone(key: string): () => void {
    this.#untold.add(key);
    return this.#hold(key);
  }

  #hold(key: string): () => void {
    if (!this.#givesSigns) setInterval(() => this.#giveSign(), signEveryMs).unref();
    this.#givesSigns = true;
    return this.#mine.take(key, () => {
      this.#untold.add(key);
      this.#tellSoon();
    });
  }

  #giveSign(): void {
    if (performance.now() - this.#touchedAt > touchEveryMs) {
      this.#touchedAt = performance.now();
      for (const [key] of this.#mine.entries()) this.#untold.add(key);
    }
    if (!this.#redis.commands.client) return;
    this.#redis.commands.command(['SET', this.#sign(this.#instanceId), '1', 'PX', String(signLastsMs)], backgroundMs).catch(() => undefined);
    this.#tellSoon();
  }

  #tellSoon(): void {
    if (this.#telling || this.#untold.size === 0) return;
    this.#telling = true;
    setImmediate(() => {
      void this.#tell().finally(() => (this.#telling = false));
    });
  }

  /** Counts are told as they are now, so that it does not matter how often or in which order. */
  async #tell(): Promise<void> {
    while (this.#untold.size > 0 && this.#redis.commands.client) {
      const keys = [...this.#untold].slice(0, groupSize);
      for (const key of keys) this.#untold.delete(key);
      const counts = keys.map((key) => String(this.#mine.of(key)));
      try {
        await this.#redis.commands.script(tellPlaces, keys.map((key) => this.#keyOf(key)), [this.#instanceId, String(hashLastsMs), ...counts], backgroundMs);
      } catch {
        // Told again with the next sign of life, or when Redis is back.
        for (const key of keys) this.#untold.add(key);
        return;
      }
    }
  }

  #keyOf(key: string): string {
    return `${this.#redis.prefix}places:${key}`;
  }

  #sign(instanceId: string): string {
    return `${this.#redis.prefix}alive:${instanceId}`;
  }
}
