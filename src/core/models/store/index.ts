export type * from './types.ts';
export { createModelStore, type ModelStoreOptions } from './store.ts';
