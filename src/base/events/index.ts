export { createLocalBus } from './local-bus.ts';
export { isGap, longestMessage, type Bus, type BusMessage, type Gap } from './types.ts';
export { createRedisBus } from './redis-bus.ts';
