export { createBuiltinProvider, type BuiltinOptions } from './provider.ts';
