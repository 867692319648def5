import type { HTTPMethods } from 'fastify';
import type { NotBuilt } from '../shared/index.ts';

const any: HTTPMethods[] = ['GET', 'POST', 'DELETE'];

/** Interfaces of OpenAI that clients may try and that this server does not offer. */
export const openaiNotBuilt: readonly NotBuilt[] = [
  ['GET', '/v1/chat/completions'],
  ['POST', '/v1/chat/completions/*'],
  ['DELETE', '/v1/models/*'],
  ['POST', '/v1/responses/compact'],
  ['POST', '/v1/responses/input_tokens'],
  ...[
    'assistants', 'audio', 'batches', 'chatkit', 'containers', 'conversations', 'evals', 'files', 'fine_tuning', 'images',
    'moderations', 'organization', 'realtime', 'threads', 'uploads', 'vector_stores', 'videos',
  ].flatMap((name): NotBuilt[] => [
    [any, `/v1/${name}`],
    [any, `/v1/${name}/*`],
  ]),
];
