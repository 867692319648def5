export { createLocalBus, type Bus, type BusMessage } from './bus.ts';
