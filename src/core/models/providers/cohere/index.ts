export { createCohereProvider, type CohereOptions } from './provider.ts';
