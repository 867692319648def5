import type { NotBuilt } from '../shared/index.ts';

/** What Ollama's clients may try and this server does not do: models are files, which are fetched and removed. */
export const ollamaNotBuilt: readonly NotBuilt[] = [
  ['POST', '/api/create'],
  ['POST', '/api/copy'],
  ['POST', '/api/push'],
  [['HEAD', 'POST'], '/api/blobs/:digest'],
];
