import { isErrorReply, type RedisClient } from '../redis/index.ts';
import type { Gap } from './types.ts';

interface SubscriptionParts {
  receive: (text: string, channel: string) => void;
  channelOf: (topic: string) => string;
  /** Always subscribed. */
  lossChannel: () => string;
  /** Called when a topic is heard that was not heard before. */
  onHeard: (topic: string, reason: Gap['reason']) => void;
  /** Called when Redis does not let us listen. */
  onRefused: (error: Error) => void;
}

interface Topic {
  isHeard: boolean;
  /** Whether the connection was away at some time since the topic was added. */
  wasAway: boolean;
  waiting: (() => void)[];
}

/** Channels that one SUBSCRIBE names. */
const subscribeGroup = 500;
/** Milliseconds that anybody waits to be heard. */
const patienceMs = 1000;

/**
 * The channels that this instance listens to. Commands go out one after another, each for all changes that came
 * meanwhile: thousands of topics that come and go cost a few commands, and no two of them can overtake each other.
 */
export class TopicSubscriptions {
  readonly #parts: SubscriptionParts;
  readonly #topics = new Map<string, Topic>();
  /** Topics of which Redis has to be told: subscribed when they are in the map, unsubscribed otherwise. */
  readonly #changed = new Set<string>();
  #client: RedisClient | null = null;
  #hearsLosses = false;
  /** The commands under way, until nothing is left to tell. */
  #telling: Promise<void> | null = null;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
  }

  add(topic: string): void {
    this.#topics.set(topic, { isHeard: false, wasAway: this.#client === null, waiting: [] });
    this.#changed.add(topic);
    this.#tell();
  }

  remove(topic: string): void {
    this.#topics.get(topic)?.waiting.forEach((resolve) => resolve());
    this.#topics.delete(topic);
    this.#changed.add(topic);
    this.#tell();
  }

  /** Resolves when the topic is heard, is not subscribed (any more), or patience ends. */
  heard(name: string): Promise<void> {
    const topic = this.#topics.get(name);
    if (!topic || topic.isHeard) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        topic.waiting.splice(topic.waiting.indexOf(done), 1);
        resolve();
      }, patienceMs);
      topic.waiting.push(done);
    });
  }

  /** A new connection: it knows of no channel. */
  connected(client: RedisClient): void {
    this.#client = client;
    this.#hearsLosses = false;
    this.#changed.clear();
    for (const [name, topic] of this.#topics) {
      topic.isHeard = false;
      this.#changed.add(name);
    }
    this.#tell();
  }

  lost(): void {
    this.#client = null;
    this.#changed.clear();
    for (const topic of this.#topics.values()) {
      topic.isHeard = false;
      topic.wasAway = true;
    }
  }

  /** Resolves when Redis has been told everything so far. */
  async settled(): Promise<void> {
    await this.#telling;
  }

  #tell(): void {
    if (!this.#client || this.#telling) return;
    // A microtask later, so that everything that is subscribed in one go is in one command.
    this.#telling = Promise.resolve()
      .then(() => this.#tellAll())
      .finally(() => {
        this.#telling = null;
        if (this.#client && (this.#changed.size > 0 || !this.#hearsLosses)) this.#tell();
      });
  }

  async #tellAll(): Promise<void> {
    const client = this.#client;
    if (!client) return;
    try {
      if (!this.#hearsLosses) {
        await client.subscribe(this.#parts.lossChannel(), this.#parts.receive);
        this.#hearsLosses = this.#client === client;
      }
      while (this.#client === client && this.#changed.size > 0) await this.#tellGroup(client);
    } catch (error) {
      // A broken connection is noticed and mended by the link; with the next one everything is told again.
      if (isErrorReply(error)) this.#parts.onRefused(error);
      if (this.#client === client) this.#client = null;
    }
  }

  async #tellGroup(client: RedisClient): Promise<void> {
    const names = [...this.#changed].slice(0, subscribeGroup);
    for (const name of names) this.#changed.delete(name);
    const wanted = names.flatMap((name) => {
      const topic = this.#topics.get(name);
      return topic ? [{ name, topic }] : [];
    });
    const unwanted = names.filter((name) => !this.#topics.has(name));
    if (unwanted.length > 0) await client.unsubscribe(unwanted.map(this.#parts.channelOf), this.#parts.receive);
    if (wanted.length === 0) return;
    await client.subscribe(wanted.map(({ name }) => this.#parts.channelOf(name)), this.#parts.receive);
    for (const { name, topic } of wanted) {
      // Removed, or removed and added again, while the command was under way: it stands among the changes.
      if (this.#client !== client || this.#topics.get(name) !== topic || topic.isHeard) continue;
      topic.isHeard = true;
      this.#parts.onHeard(name, topic.wasAway ? 'reconnected' : 'subscribed');
      topic.wasAway = false;
      for (const resolve of topic.waiting.splice(0)) resolve();
    }
  }
}
