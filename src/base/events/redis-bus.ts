import type { Part } from '../lifecycle.ts';
import type { Log, Metrics } from '../observability/index.ts';
import type { Redis } from '../redis/index.ts';
import { createLocalBus } from './local-bus.ts';
import { Outbox } from './outbox.ts';
import { TopicSubscriptions } from './subscriptions.ts';
import { longestMessage, type Bus, type BusMessage, type Gap } from './types.ts';

interface RedisBusParts {
  /** Started before the bus. */
  redis: Redis;
  /** Names this process: what comes back from Redis under this name was told here already. */
  instanceId: string;
  log: Log;
  metrics: Metrics;
}

/** Topics that are told of a gap at once, and the pause before the next ones, milliseconds: each of them reads rows. */
const gapGroup = 100;
const gapPauseMs = 10;
/** The channel, behind the prefix, on which an instance says that some of its messages were lost. */
const lossChannel = 'lost';

/**
 * The bus of several instances, over Redis pub/sub (https://redis.io/docs/latest/develop/pubsub/). Subscribers in this
 * process are called at once; Redis carries the message to the others. Each topic is a channel, and an instance is
 * subscribed to those that somebody in it subscribes, so that ten instances do not each read what nine publish.
 * What is published in one turn of the event loop goes out as one command.
 */
export function createRedisBus(parts: RedisBusParts): Bus & Part {
  return new RedisBus(parts);
}

class RedisBus implements Bus, Part {
  readonly name = 'bus';
  readonly #parts: RedisBusParts;
  readonly #local: Bus;
  readonly #outbox: Outbox;
  readonly #subscriptions: TopicSubscriptions;
  /** Subscribers of each topic in this process. */
  readonly #counts = new Map<string, number>();
  /** Topics that have to be told of a gap. */
  readonly #gaps = new Set<string>();
  #gapTimer: NodeJS.Timeout | undefined;

  constructor(parts: RedisBusParts) {
    const { redis, instanceId, log, metrics } = parts;
    this.#parts = parts;
    this.#local = createLocalBus((error) => log.error({ err: error }, 'a subscriber of the bus failed'));
    this.#outbox = new Outbox(redis, this.#lossChannel, instanceId, metrics);
    this.#subscriptions = new TopicSubscriptions({
      receive: (text, channel) => this.#receive(text, channel),
      channelOf: (topic) => this.#topicPrefix() + topic,
      lossChannel: this.#lossChannel,
      onHeard: (topic, reason) => this.#heard(topic, reason),
      onRefused: (error) => log.error({ err: error }, 'Redis does not let this server listen to its channels: see docs/several-instances.md'),
    });
  }

  async start(): Promise<void> {
    const { messages } = this.#parts.redis;
    messages.onLost(() => this.#subscriptions.lost());
    messages.onConnect((client) => this.#subscriptions.connected(client));
    this.#outbox.start();
    await this.#subscriptions.settled();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#gapTimer);
    this.#outbox.stop();
    this.#subscriptions.lost();
  }

  publish(topic: string, message: BusMessage): void {
    this.#local.publish(topic, message);
    const text = JSON.stringify(message);
    // UTF-8 takes at most three bytes for a UTF-16 unit: most messages need no counting.
    if (text.length * 3 > longestMessage && Buffer.byteLength(text) > longestMessage) {
      this.#parts.log.error({ type: message.type, bytes: Buffer.byteLength(text) }, 'A message of the bus is too long and was not sent to other instances');
      return;
    }
    this.#outbox.add(topic, text, this.#topicPrefix);
  }

  subscribe(topic: string, receive: (message: BusMessage) => void): () => void {
    const unsubscribe = this.#local.subscribe(topic, receive);
    const count = (this.#counts.get(topic) ?? 0) + 1;
    this.#counts.set(topic, count);
    if (count === 1) this.#subscriptions.add(topic);
    let isSubscribed = true;
    return () => {
      if (!isSubscribed) return;
      isSubscribed = false;
      unsubscribe();
      const left = this.#counts.get(topic)! - 1;
      if (left > 0) return void this.#counts.set(topic, left);
      this.#counts.delete(topic);
      this.#gaps.delete(topic);
      this.#subscriptions.remove(topic);
    };
  }

  listening(topic: string): Promise<void> {
    return this.#subscriptions.heard(topic);
  }

  readonly #topicPrefix = (): string => `${this.#parts.redis.prefix}topic:`;
  readonly #lossChannel = (): string => `${this.#parts.redis.prefix}${lossChannel}`;

  #receive(text: string, channel: string): void {
    const { instanceId, metrics } = this.#parts;
    if (text.startsWith(instanceId)) return;
    metrics.busReceived.inc();
    if (channel === this.#lossChannel()) {
      for (const topic of this.#counts.keys()) this.#gaps.add(topic);
      return this.#tellGaps();
    }
    const message = parse(text.slice(text.indexOf('\n') + 1));
    if (message) this.#local.publish(channel.slice(this.#topicPrefix().length), message);
  }

  #heard(topic: string, reason: Gap['reason']): void {
    if (reason === 'subscribed') return this.#local.publish(topic, { type: 'gap', reason } satisfies Gap);
    this.#gaps.add(topic);
    this.#gapTimer ??= setTimeout(() => this.#tellGaps(), 0);
  }

  /** Tells the next group of topics that something may have been missed. */
  #tellGaps(): void {
    clearTimeout(this.#gapTimer);
    this.#gapTimer = undefined;
    let told = 0;
    for (const topic of this.#gaps) {
      this.#gaps.delete(topic);
      this.#local.publish(topic, { type: 'gap', reason: 'reconnected' } satisfies Gap);
      told += 1;
      if (told === gapGroup) break;
    }
    if (this.#gaps.size > 0) this.#gapTimer = setTimeout(() => this.#tellGaps(), gapPauseMs);
  }
}

/** What another instance sent; null for what is none of ours, which somebody else on that Redis may have published. */
function parse(text: string): BusMessage | null {
  if (text.length > longestMessage) return null;
  try {
    const message: unknown = JSON.parse(text);
    const isMessage = typeof message === 'object' && message !== null && 'type' in message && typeof message.type === 'string' && message.type !== 'gap';
    return isMessage ? (message as BusMessage) : null;
  } catch {
    return null;
  }
}
