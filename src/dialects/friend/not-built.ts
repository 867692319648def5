import type { NotBuilt } from '../shared/index.ts';

/** What the published document of this dialect names and what is not built yet. */
export const friendNotBuilt: readonly NotBuilt[] = [
  ['POST', '/api/memory/save'],
  ['POST', '/api/memory/search'],
  ['DELETE', '/api/memory/:memory_id'],
  ['GET', '/api/memory/stats'],
  ['GET', '/api/memory/tiers'],
  ['POST', '/api/voice/stt'],
  ['POST', '/api/voice/tts'],
  ['GET', '/api/voice/devices'],
  [['GET', 'PUT', 'DELETE'], '/api/profile/:user_id'],
  ['GET', '/api/analytics/overview'],
  ['GET', '/api/analytics/emotion-trends'],
  ['GET', '/api/analytics/topics'],
  ['GET', '/api/persona/get'],
  ['POST', '/api/persona/update'],
  ['POST', '/api/persona/reset'],
  ['POST', '/api/avatar/expression'],
  ['POST', '/api/avatar/animation'],
  ['GET', '/api/avatar/sync-speech'],
  ['GET', '/api/agents/status'],
  ['POST', '/api/agents/test'],
];

export const friendSocketsNotBuilt: readonly string[] = ['/api/voice/stream/:user_id'];
