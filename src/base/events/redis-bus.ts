import type { Part } from '../lifecycle.ts';
import type { Log, Metrics } from '../observability/index.ts';
import type { Redis, RedisClient } from '../redis/index.ts';
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
export function createRedisBus({ redis, instanceId, log, metrics }: RedisBusParts): Bus & Part {
  const local = createLocalBus((error) => log.error({ err: error }, 'a subscriber of the bus failed'));
  const topicPrefix = (): string => `${redis.prefix}topic:`;
  const counts = new Map<string, number>();
  const gaps = new Set<string>();
  let gapTimer: NodeJS.Timeout | undefined;

  /** Tells the next group of topics that something may have been missed. */
  const tellGaps = (): void => {
    clearTimeout(gapTimer);
    gapTimer = undefined;
    let told = 0;
    for (const topic of gaps) {
      gaps.delete(topic);
      local.publish(topic, { type: 'gap', reason: 'reconnected' } satisfies Gap);
      told += 1;
      if (told === gapGroup) break;
    }
    if (gaps.size > 0) gapTimer = setTimeout(tellGaps, gapPauseMs);
  };

  const outbox = new Outbox(redis, () => `${redis.prefix}${lossChannel}`, instanceId, metrics);
  const receive = (text: string, channel: string): void => {
    const from = text.slice(0, instanceId.length);
    if (from === instanceId) return;
    metrics.busReceived.inc();
    if (channel === `${redis.prefix}${lossChannel}`) {
      for (const topic of counts.keys()) gaps.add(topic);
      tellGaps();
      return;
    }
    const message = parse(text.slice(text.indexOf('\n') + 1));
    if (message) local.publish(channel.slice(topicPrefix().length), message);
  };
  const subscriptions = new TopicSubscriptions({
    receive,
    channelOf: (topic) => `${topicPrefix()}${topic}`,
    lossChannel: () => `${redis.prefix}${lossChannel}`,
    onHeard(topic, reason) {
      if (reason === 'subscribed') return local.publish(topic, { type: 'gap', reason } satisfies Gap);
      gaps.add(topic);
      gapTimer ??= setTimeout(tellGaps, 0);
    },
    onRefused: (error) => log.error({ err: error }, 'Redis does not let this server listen to its channels: see docs/several-instances.md'),
  });
  const connected = (client: RedisClient): void => subscriptions.connected(client);

  return {
    name: 'bus',
    publish(topic, message) {
      local.publish(topic, message);
      const text = JSON.stringify(message);
      // UTF-8 takes at most three bytes for a UTF-16 unit: most messages need no counting.
      if (text.length * 3 > longestMessage && Buffer.byteLength(text) > longestMessage) {
        log.error({ type: message.type, bytes: Buffer.byteLength(text) }, 'A message of the bus is too long and was not sent to other instances');
        return;
      }
      outbox.add(topic, text, topicPrefix);
    },
    subscribe(topic, listener) {
      const unsubscribe = local.subscribe(topic, listener);
      counts.set(topic, (counts.get(topic) ?? 0) + 1);
      if (counts.get(topic) === 1) subscriptions.add(topic);
      let isSubscribed = true;
      return () => {
        if (!isSubscribed) return;
        isSubscribed = false;
        unsubscribe();
        const left = counts.get(topic)! - 1;
        if (left > 0) return void counts.set(topic, left);
        counts.delete(topic);
        gaps.delete(topic);
        subscriptions.remove(topic);
      };
    },
    listening: (topic) => subscriptions.heard(topic),
    async start() {
      redis.messages.onLost(() => subscriptions.lost());
      redis.messages.onConnect(connected);
      outbox.start();
      await subscriptions.settled();
    },
    async stop() {
      clearTimeout(gapTimer);
      outbox.stop();
      subscriptions.lost();
    },
  };
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
