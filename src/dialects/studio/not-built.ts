import type { NotBuilt } from '../shared/index.ts';

/** What the published document of this dialect names and what is not built yet. */
export const studioNotBuilt: readonly NotBuilt[] = [
  ['POST', '/api/files/upload'],
  ['GET', '/api/files'],
  ['GET', '/api/files/'],
  ['DELETE', '/api/files/:file_id'],
  [['GET', 'POST'], '/api/knowledge/bases'],
  ['POST', '/api/knowledge/bases/:kb_id/search'],
];
