import type { Metrics } from '../observability/index.ts';
import { makeScript, RedisAwayError, type Redis } from '../redis/index.ts';

/**
 * Publishes any number of messages with one command: ARGV is channel, text, channel, text, ... Counted on the way: a
 * pipeline of single commands costs ten times the work in this process.
 */
const publishAll = makeScript("for i = 1, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end return #ARGV / 2");

/** Messages that one command carries. */
const batchMessages = 500;
/** Messages and UTF-16 units that may wait for Redis; what comes on top is lost. */
const mostWaiting = 10_000;
const mostUnits = 8 * 1024 * 1024;
/** Commands that may be under way at once. */
const mostUnderWay = 4;
const commandMs = 2000;
/** Least time between two announcements of a loss, milliseconds. */
const lossPauseMs = 1000;

/**
 * What this instance publishes, on its way to Redis. While Redis is away nothing is kept: when it is back, the others
 * are told that they may have missed something, and look at the rows.
 */
export class Outbox {
  readonly #redis: Redis;
  readonly #lossChannel: () => string;
  readonly #instanceId: string;
  readonly #metrics: Pick<Metrics, 'busPublished' | 'busLost'>;
  /** Channel, text, channel, text, ... */
  #waiting: string[] = [];
  #units = 0;
  #underWay = 0;
  #scheduled = false;
  #hasLost = false;
  #lossTimer: NodeJS.Timeout | undefined;
  #running = false;

  constructor(redis: Redis, lossChannel: () => string, instanceId: string, metrics: Pick<Metrics, 'busPublished' | 'busLost'>) {
    this.#redis = redis;
    this.#lossChannel = lossChannel;
    this.#instanceId = instanceId;
    this.#metrics = metrics;
  }

  start(): void {
    this.#running = true;
    this.#redis.commands.onConnect(() => this.#announceLoss());
  }

  /** Sends what waits, as far as it can be sent at once. */
  stop(): void {
    this.#send();
    this.#running = false;
    clearTimeout(this.#lossTimer);
  }

  add(topic: string, text: string, prefix: () => string): void {
    if (!this.#running || !this.#redis.commands.client || this.#waiting.length >= mostWaiting * 2 || this.#units + text.length > mostUnits) {
      return this.#lose(1);
    }
    this.#waiting.push(prefix() + topic, `${this.#instanceId}\n${text}`);
    this.#units += text.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Behind everything else of this turn of the event loop: what a commit of many turns publishes goes out together.
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    while (this.#waiting.length > 0 && this.#underWay < mostUnderWay) {
      const batch = this.#waiting.splice(0, batchMessages * 2);
      for (let index = 1; index < batch.length; index += 2) this.#units -= batch[index]!.length - this.#instanceId.length - 1;
      void this.#sendBatch(batch);
    }
  }

  async #sendBatch(batch: string[]): Promise<void> {
    this.#underWay += 1;
    try {
      await this.#redis.commands.script(publishAll, [], batch, commandMs);
      this.#metrics.busPublished.inc(batch.length / 2);
    } catch (error) {
      // Whatever it was, these hints are not sent again: the others are told to look at the rows.
      this.#lose(batch.length / 2);
      if (!(error instanceof RedisAwayError)) this.#scheduleAnnouncement();
    } finally {
      this.#underWay -= 1;
      if (this.#running) this.#send();
    }
  }

  #lose(count: number): void {
    this.#metrics.busLost.inc(count);
    this.#hasLost = true;
    if (this.#redis.commands.client) this.#scheduleAnnouncement();
  }

  #scheduleAnnouncement(): void {
    if (!this.#running) return;
    this.#lossTimer ??= setTimeout(() => {
      this.#lossTimer = undefined;
      this.#announceLoss();
    }, lossPauseMs).unref();
  }

  /** Tells the other instances that messages of this one were lost; again when that is lost too. */
  #announceLoss(): void {
    if (!this.#hasLost || !this.#running) return;
    this.#hasLost = false;
    this.#redis.commands.command(['PUBLISH', this.#lossChannel(), `${this.#instanceId}\n{}`], commandMs).catch(() => {
      this.#hasLost = true;
      if (this.#redis.commands.client) this.#scheduleAnnouncement();
    });
  }
}
