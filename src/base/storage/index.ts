export type * from './types.ts';
export type * from './schema.ts';
export { openStorage, type StorageOptions } from './open.ts';
