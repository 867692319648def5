export type * from './types.ts';
export type * from './schema.ts';
export { isUniqueViolation } from './unique.ts';
export { openStorage, type StorageOptions } from './open.ts';
export { restoreDatabase, type Restored, type RestoreOptions } from './sqlite/restore.ts';
