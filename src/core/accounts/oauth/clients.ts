import { ParleyError, type FieldIssue } from '../../../base/errors.ts';
import type { OauthClientsTable } from '../../../base/storage/index.ts';
import { cleanText } from '../../../base/text.ts';
import { mayAdminister } from '../scopes.ts';
import type { Viewer } from '../types.ts';
import { revokeGrants } from './grants.ts';
import type { OauthParts } from './parts.ts';
import { clientIdForm, clientOf, knownScopes, scopesOf } from './rows.ts';
import { oauthScopes, type Oauth, type OauthClient } from './types.ts';

const maxNameLength = 100;
const mostClients = 1000;

/** The programs that may ask. */
export function createClients({ storage, clock, sessions }: OauthParts): Pick<Oauth, 'addClient' | 'clients' | 'removeClient'> {
  return {
    async addClient(viewer, client) {
      requireAdministrator(viewer);
      const row = { id: client.id, name: cleanText(client.name, 'name').trim(), scopes: JSON.stringify(knownScopes(client.scopes)), created_by: viewer.userId, created_at: clock.now() };
      const issues = issuesOf(row, client);
      if (issues.length > 0) throw new ParleyError('validation_failed', { issues });
      await storage.write(async (queries) => {
        const { count } = await queries.selectFrom('oauth_clients').select((select) => select.fn.countAll<number | string>().as('count')).executeTakeFirstOrThrow();
        if (Number(count) >= mostClients) throw new ParleyError('conflict', { message: `There are ${mostClients} clients already. Remove one first.` });
        const added = await queries.insertInto('oauth_clients').values(row).onConflict((conflict) => conflict.column('id').doNothing()).executeTakeFirst();
        if (Number(added.numInsertedOrUpdatedRows ?? 0) === 0) throw new ParleyError('conflict', { message: 'There is a client of this id already.' });
      });
      return toClient(row);
    },
    async clients(viewer) {
      requireAdministrator(viewer);
      const rows = await storage.read.selectFrom('oauth_clients').selectAll().orderBy('created_at').orderBy('id').execute();
      return rows.map(toClient);
    },
    async removeClient(viewer, id) {
      requireAdministrator(viewer);
      await storage.write(async (queries) => {
        if (!(await clientOf(queries, id))) throw new ParleyError('not_found', { message: 'There is no such client.' });
        const grants = await queries.selectFrom('oauth_grants').select(['id', 'user_id']).where('client_id', '=', id).where('revoked_at', 'is', null).execute();
        await revokeGrants(queries, sessions, grants, clock.now());
        await queries.deleteFrom('oauth_clients').where('id', '=', id).execute();
      });
    },
  };
}

function issuesOf(row: Pick<OauthClientsTable, 'id' | 'name'>, { scopes }: Pick<OauthClient, 'scopes'>): FieldIssue[] {
  const issue = (field: string, message: string): FieldIssue => ({ path: ['body', field], message, kind: 'invalid_format' });
  return [
    ...(clientIdForm.test(row.id) ? [] : [issue('client_id', 'must have 1 to 100 letters, digits, dots, underscores or hyphens')]),
    ...(row.name !== '' && row.name.length <= maxNameLength && !/\p{Cc}/u.test(row.name) ? [] : [issue('name', `must have 1 to ${maxNameLength} characters`)]),
    ...(knownScopes(scopes).length > 0 && scopes.every((scope) => Object.hasOwn(oauthScopes, scope)) ? [] : [issue('scope', `must hold some of ${Object.keys(oauthScopes).join(', ')}`)]),
  ];
}

function requireAdministrator(viewer: Viewer): void {
  if (!mayAdminister(viewer)) throw new ParleyError('forbidden', { message: 'Only an administrator may do this.' });
}

function toClient(row: OauthClientsTable): OauthClient {
  return { id: row.id, name: row.name, scopes: scopesOf(row.scopes), createdAt: row.created_at };
}
