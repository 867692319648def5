export type * from './types.ts';
export type * from './schema.ts';
export { databaseTime } from './database-time.ts';
export { isUniqueViolation } from './unique.ts';
export type { StorageOptions } from './options.ts';
export type { Migration } from './migrations/migration.ts';
export { openStorage } from './open.ts';
export { restoreDatabase, type Restored, type RestoreOptions } from './sqlite/restore.ts';
export { fieldsOf, Template } from './template.ts';
