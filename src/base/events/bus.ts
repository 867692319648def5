import { EventEmitter } from 'node:events';

/**
 * The bus carries hints between parts and, later, between instances: something of this topic happened, look at the
 * rows. It may lose, repeat and reorder (DESIGN: the rows are the truth), so every message names what it is about and
 * carries a sequence number where there is one. Messages are plain JSON values of at most 64 KB.
 */
export interface Bus {
  /** Sends to every subscriber of the topic. Never throws and never waits for a subscriber. */
  publish(topic: string, message: BusMessage): void;
  /** Calls `receive` for each message of the topic until the returned function is called. */
  subscribe(topic: string, receive: (message: BusMessage) => void): () => void;
}

/** A JSON object with a `type`. */
export interface BusMessage {
  type: string;
  [field: string]: unknown;
}

/** The bus of one process. What a subscriber throws is given to `onError` and reaches nobody else. */
export function createLocalBus(onError: (error: unknown) => void): Bus {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  return {
    publish(topic, message) {
      emitter.emit(topic, message);
    },
    subscribe(topic, receive) {
      const guarded = (message: BusMessage): void => {
        try {
          receive(message);
        } catch (error) {
          onError(error);
        }
      };
      emitter.on(topic, guarded);
      return () => void emitter.off(topic, guarded);
    },
  };
}
