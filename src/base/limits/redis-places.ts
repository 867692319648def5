import { makeScript, type Redis } from '../redis/index.ts';
import { Places } from './places.ts';

/**
 * Takes a place, if one is free: KEYS are the places of the subject, a hash of instance and count, and the sign of life
 * of this instance. ARGV: this instance, the count, the beginning of the names of signs of life, milliseconds that a sign
 * lasts, milliseconds that the hash lasts. What instances without a sign of life hold is taken from them. Gives whether
 * the place was taken, and whether the sign of this instance was still there.
 */
const takePlace = makeScript(`
local known = redis.call('EXISTS', KEYS[2])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[4])
local entries, sum = redis.call('HGETALL', KEYS[1]), 0
for i = 1, #entries, 2 do
  if redis.call('EXISTS', ARGV[3] .. entries[i]) == 1 then sum = sum + tonumber(entries[i + 1]) else redis.call('HDEL', KEYS[1], entries[i]) end
end
if sum >= tonumber(ARGV[2]) then return {0, known} end
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {1, known}
`);

/** Gives a sign of life: KEYS is its name, ARGV how long it lasts. Gives whether the one before was still there. */
const giveSign = makeScript(`
local known = redis.call('EXISTS', KEYS[1])
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return known
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
  /** Keys for which a place is being asked for, and how often: Redis may have counted it already, and we have not. */
  readonly #asked = new Map<string, number>();
  #givesSigns = false;
  #touchedAt = performance.now();
  #telling = false;

  constructor(redis: Redis, instanceId: string) {
    this.#redis = redis;
    this.#instanceId = instanceId;
    redis.commands.onConnect(() => this.#tellAll());
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
    this.#asked.set(key, (this.#asked.get(key) ?? 0) + 1);
    try {
      taken = await this.#redis.commands.script(takePlace, [this.#keyOf(key), this.#sign(this.#instanceId)], values, patienceMs);
    } catch (error) {
      // It may have been taken there all the same.
      this.#untold.add(key);
      this.#answered(key);
      throw error;
    }
    const [isTaken, isKnown] = Array.isArray(taken) ? taken : [0, 1];
    const free = isTaken === 1 ? this.#hold(key) : null;
    this.#answered(key);
    if (isKnown === 0) this.#tellAll();
    return free;
  }

  #answered(key: string): void {
    const left = this.#asked.get(key)! - 1;
    if (left > 0) this.#asked.set(key, left);
    else this.#asked.delete(key);
    this.#tellSoon();
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
    this.#redis.commands.script(giveSign, [this.#sign(this.#instanceId)], [String(signLastsMs)], backgroundMs).then(
      (known) => {
        if (known === 0) this.#tellAll();
      },
      () => undefined,
    );
    this.#tellSoon();
  }

  /** Redis has lost our counts, or others took them from us: it was away or emptied, or this process hung for longer than a sign lasts. */
  #tellAll(): void {
    for (const [key] of this.#mine.entries()) this.#untold.add(key);
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
      // A count is told when nobody asks for its key: it would be older than what Redis counts meanwhile.
      const keys = [...this.#untold].filter((key) => !this.#asked.has(key)).slice(0, groupSize);
      if (keys.length === 0) return;
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
