import { queryOptions } from '@tanstack/react-query';
import { request } from '../../shared/api/index.ts';

const base = '/api/v4/auth/oauth';

/** What a program may be let do (docs/ultimate.md, OAuth). */
export const programScopes = ['chat', 'inference', 'p2p', 'monitoring'] as const;
export type ProgramScope = (typeof programScopes)[number];

/** For a person. */
export const scopeNames: Record<ProgramScope, string> = {
  chat: 'read your conversations and write in your name',
  inference: 'ask models at your expense, and start work',
  p2p: 'use the network of peers',
  monitoring: 'see how the server is, and its figures',
};

/** Access that somebody has given to a program. */
export interface Grant {
  id: string;
  client_id: string;
  client_name: string;
  scope: ProgramScope[];
  /** What the program says of itself. */
  device_info: { platform?: string; version?: string; device_id?: string };
  created_at: string;
  last_used_at: string;
  expires_at: string;
}

/** A program that may ask people for access. */
export interface Program {
  client_id: string;
  name: string;
  scope: ProgramScope[];
  created_at: string;
}

export const grantsQuery = queryOptions({
  queryKey: ['program-grants'],
  queryFn: async () => (await request<{ grants: Grant[] }>('GET', `${base}/grants`)).grants,
  refetchOnMount: 'always',
});

export const programsQuery = queryOptions({
  queryKey: ['programs'],
  queryFn: async () => (await request<{ clients: Program[] }>('GET', `${base}/clients`)).clients,
  refetchOnMount: 'always',
});

/** Takes the access away, at once. */
export async function endGrant(id: string): Promise<void> {
  await request('DELETE', `${base}/grants/${encodeURIComponent(id)}`);
}

export async function addProgram(program: Pick<Program, 'client_id' | 'name' | 'scope'>): Promise<Program> {
  return request('POST', `${base}/clients`, { body: program });
}

/** Removes a program with everything that was granted to it, by anybody. */
export async function removeProgram(id: string): Promise<void> {
  await request('DELETE', `${base}/clients/${encodeURIComponent(id)}`);
}
