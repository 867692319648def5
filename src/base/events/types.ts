/**
 * The bus carries hints between parts and between instances: something of this topic happened, look at the rows. It may
 * lose, repeat and reorder (DESIGN: the rows are the truth), so every message names what it is about and carries a
 * sequence number where there is one. Messages are plain JSON values of at most 64 KB.
 */
export interface Bus {
  /**
   * Sends to every subscriber of the topic: to those in this process before it returns, to other instances as soon as
   * may be. Never throws and never waits for a subscriber. What is longer than `longestMessage` is refused and logged.
   */
  publish(topic: string, message: BusMessage): void;
  /**
   * Calls `receive` for each message of the topic until the returned function is called. A message of type `gap`
   * (see `Gap`) says that messages may have been missed.
   */
  subscribe(topic: string, receive: (message: BusMessage) => void): () => void;
  /**
   * Resolves when what other instances publish on a topic that is subscribed here is heard here: at once where there is
   * one instance, otherwise a way to Redis and back later. Never rejects, and waits a second at most: while Redis is
   * away nothing is heard, and a `gap` follows when it is back. Subscribe, await this, then read the rows: nothing is missed.
   */
  listening(topic: string): Promise<void>;
}

/** A JSON object with a `type`. The type `gap` belongs to the bus itself. */
export interface BusMessage {
  type: string;
  [field: string]: unknown;
}

/**
 * Given by the bus to each subscriber of a topic when messages of other instances may have been missed: read the rows
 * again. Nobody publishes it, and the bus of one process never gives it.
 * - `subscribed`: the topic is heard from now on. What others published between the call of `subscribe` and now is
 *   missed; who awaits `listening` before reading may ignore it.
 * - `reconnected`: the connection was lost and is back.
 */
export interface Gap extends BusMessage {
  type: 'gap';
  reason: 'subscribed' | 'reconnected';
}

export function isGap(message: BusMessage): message is Gap {
  return message.type === 'gap';
}

/** UTF-8 bytes of a message as JSON beyond which it is refused. */
export const longestMessage = 64 * 1024;
