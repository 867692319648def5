import type { OauthClientsTable, Queries, WriteQueries } from '../../../base/storage/index.ts';
import { parseScopes } from '../scopes.ts';
import { oauthScopes, type OauthDevice, type OauthScope } from './types.ts';

export const clientIdForm = /^[A-Za-z0-9._-]{1,100}$/;

/** The scopes of a row's JSON column that there are. */
export function scopesOf(json: string): OauthScope[] {
  return knownScopes(parseScopes(json));
}

/** Those that there are, in the order of the table. */
export function knownScopes(names: readonly unknown[]): OauthScope[] {
  return (Object.keys(oauthScopes) as OauthScope[]).filter((scope) => names.includes(scope));
}

export function deviceOf(json: string): OauthDevice {
  return JSON.parse(json) as OauthDevice;
}

export async function clientOf(queries: Queries | WriteQueries, id: string): Promise<OauthClientsTable | null> {
  if (!clientIdForm.test(id)) return null;
  return (await queries.selectFrom('oauth_clients').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}
