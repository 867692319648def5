export type * from './types.ts';
export { createPresence, type PresenceParts } from './presence.ts';
