import type { FastifyRequest } from 'fastify';
import type { UltimateParts } from './parts.ts';

/** The address under which this server was asked: PUBLIC_URL where it is set, else as the request names it. */
export function addressOfServer({ settings }: Pick<UltimateParts, 'settings'>, request: FastifyRequest): string {
  if (settings.publicUrl !== null) return settings.publicUrl.replace(/\/+$/, '');
  return `http://${request.headers.host ?? `${settings.host}:${settings.port}`}`;
}
