import { createLocalBus } from './local-bus.ts';
import type { Bus, BusMessage } from './types.ts';

/** What goes wrong between instances. Within one instance nothing does. */
export interface Trouble {
  /** Messages to others for which this is true are lost. */
  loses?: (topic: string, message: BusMessage) => boolean;
  /** Milliseconds after which others hear a message; may differ from one to the next, which reorders them. */
  delayMs?: (topic: string, message: BusMessage) => number;
  /** How often others hear it. Default once. */
  copies?: number;
}

/** Buses of several instances in one process that hear each other, as over Redis, with the trouble a test wants. */
export interface BusNetwork {
  trouble: Trouble;
  /** Messages that went to other instances. */
  readonly published: { topic: string; message: BusMessage }[];
  /** The bus of one more instance. */
  join(): Bus;
  /** Tells every subscriber that messages may have been missed. */
  gap(): void;
}

export function createBusNetwork(): BusNetwork {
  const locals: { bus: Bus; topics: Map<string, number> }[] = [];
  const network: BusNetwork = {
    trouble: {},
    published: [],
    join() {
      const local = { bus: createLocalBus((error) => { throw error; }), topics: new Map<string, number>() };
      locals.push(local);
      return {
        ...local.bus,
        publish(topic, message) {
          local.bus.publish(topic, message);
          network.published.push({ topic, message });
          const { loses, delayMs, copies = 1 } = network.trouble;
          if (loses?.(topic, message)) return;
          const text = JSON.stringify(message);
          for (const other of locals) {
            if (other === local) continue;
            for (let copy = 0; copy < copies; copy += 1) setTimeout(() => other.bus.publish(topic, JSON.parse(text) as BusMessage), delayMs?.(topic, message) ?? 0).unref();
          }
        },
        subscribe(topic, receive) {
          local.topics.set(topic, (local.topics.get(topic) ?? 0) + 1);
          return local.bus.subscribe(topic, receive);
        },
      };
    },
    gap() {
      for (const { bus, topics } of locals) for (const topic of topics.keys()) bus.publish(topic, { type: 'gap', reason: 'reconnected' });
    },
  };
  return network;
}
