export type * from './types.ts';
export { createLangchain } from './langchain.ts';
export type { LangchainParts } from './parts.ts';
