import { EventEmitter } from 'node:events';
import type { Bus, BusMessage } from './types.ts';

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
    listening: () => Promise.resolve(),
  };
}
