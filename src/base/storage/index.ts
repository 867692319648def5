export type * from './types.ts';
export type * from './schema.ts';
