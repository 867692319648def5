import { z } from 'zod';
import { ParleyError } from '../../base/errors.ts';
import type { Scope } from '../../core/accounts/index.ts';
import type { NotBuilt } from '../shared/index.ts';
import { everyVersion } from './versions.ts';

const versioned: readonly (readonly ['GET' | 'POST', `/api/v4/${string}`])[] = [
  ['GET', '/api/v4/p2p/status'],
  ['POST', '/api/v4/p2p/start'],
  ['POST', '/api/v4/p2p/inference'],
  ['GET', '/api/v4/p2p/peers'],
  ['GET', '/api/v4/p2p/models'],
  ['POST', '/api/v4/tasks/start'],
  ['GET', '/api/v4/tasks/:task_id/status'],
  ['POST', '/api/v4/blockchain/contracts/execute'],
  ['GET', '/api/v4/blockchain/metrics'],
];

function inEveryVersion(): NotBuilt[] {
  const list: NotBuilt[] = [];
  for (const [method, path] of versioned) everyVersion(path, (url) => list.push([method, url]));
  return list;
}

/** What the published document of this dialect names and what is not built yet. */
export const ultimateNotBuilt: readonly NotBuilt[] = [
  ...inEveryVersion(),
  ['GET', '/api/v5/preview/multimodal/vision'],
  ['GET', '/api/v5/preview/quantum/encryption'],
  ['GET', '/api/v5/preview/edge/deployment'],
];

/** Events of clients that are not understood yet, with the permission that each will need. */
export const eventsNotBuilt: Readonly<Record<string, Scope>> = {
  get_p2p_status: 'read',
  start_distributed_inference: 'p2p',
  join_p2p_network: 'p2p',
  get_blockchain_analytics: 'read',
  voice_message: 'chat',
};

export const anyPayload = z.unknown();

export function notBuilt(): never {
  throw new ParleyError('not_implemented');
}
