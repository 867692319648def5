import { sql, type CreateTableBuilder, type Kysely } from 'kysely';
import type { Engine } from '../types.ts';
import { columnTypes, type ColumnTypes } from './columns.ts';
import type { Migration } from './migration.ts';

/**
 * OAuth 2.0 for programs of other people: who may ask (clients), what is asked and not decided yet (requests), what was
 * granted (grants), and the tokens with which a grant is used on. A sign-in that was made with another credential names
 * it, and ends with it.
 *
 * Requests are there for minutes. Codes and tokens stand here as hashes only.
 */
export const oauth: Migration = {
  name: '0007-oauth',
  async up(database, engine) {
    const types = columnTypes(engine);
    await database.schema.alterTable('tokens').addColumn('origin_id', types.text).execute();
    await database.schema.createIndex('tokens_by_origin').on('tokens').columns(['origin_id']).where(sql.ref('origin_id'), 'is not', null).execute();
    await clients(database, engine, types);
    await requests(database, engine, types);
    await grants(database, engine, types);
  },
};

/** Begins a table. STRICT makes SQLite refuse values of the wrong type, as PostgreSQL does. */
function table<Name extends string>(database: Kysely<unknown>, engine: Engine, name: Name): CreateTableBuilder<Name, never> {
  const builder = database.schema.createTable(name);
  return engine === 'sqlite' ? builder.modifyEnd(sql`strict`) : builder;
}

async function clients(database: Kysely<unknown>, engine: Engine, { text, integer }: ColumnTypes): Promise<void> {
  await table(database, engine, 'oauth_clients')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('scopes', text, (column) => column.notNull())
    .addColumn('created_by', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('created_at', integer, (column) => column.notNull())
    .execute();
  await database.schema.createIndex('oauth_clients_by_user').on('oauth_clients').columns(['created_by']).execute();
}

async function requests(database: Kysely<unknown>, engine: Engine, { text, integer }: ColumnTypes): Promise<void> {
  await table(database, engine, 'oauth_requests')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('client_id', text, (column) => column.notNull().references('oauth_clients.id').onDelete('cascade'))
    .addColumn('device_code_hash', text, (column) => column.notNull().unique())
    .addColumn('user_code_hash', text, (column) => column.notNull().unique())
    .addColumn('scopes', text, (column) => column.notNull())
    .addColumn('device', text, (column) => column.notNull())
    .addColumn('state', text, (column) => column.notNull())
    .addColumn('user_id', text, (column) => column.references('users.id').onDelete('cascade'))
    .addColumn('interval_ms', integer, (column) => column.notNull())
    .addColumn('polled_at', integer)
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('expires_at', integer, (column) => column.notNull())
    .execute();
  await database.schema.createIndex('oauth_requests_by_client').on('oauth_requests').columns(['client_id']).execute();
  await database.schema.createIndex('oauth_requests_by_user').on('oauth_requests').columns(['user_id']).execute();
  await database.schema.createIndex('oauth_requests_by_expiry').on('oauth_requests').columns(['expires_at']).execute();
}

async function grants(database: Kysely<unknown>, engine: Engine, { text, integer }: ColumnTypes): Promise<void> {
  await table(database, engine, 'oauth_grants')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('client_id', text, (column) => column.notNull().references('oauth_clients.id').onDelete('cascade'))
    .addColumn('user_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('scopes', text, (column) => column.notNull())
    .addColumn('device', text, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('last_used_at', integer, (column) => column.notNull())
    .addColumn('expires_at', integer, (column) => column.notNull())
    .addColumn('revoked_at', integer)
    .execute();
  await database.schema.createIndex('oauth_grants_by_user').on('oauth_grants').columns(['user_id', 'created_at']).execute();
  await database.schema.createIndex('oauth_grants_by_client').on('oauth_grants').columns(['client_id']).execute();
  await table(database, engine, 'oauth_refresh_tokens')
    .addColumn('hash', text, (column) => column.primaryKey().notNull())
    .addColumn('grant_id', text, (column) => column.notNull().references('oauth_grants.id').onDelete('cascade'))
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('used_at', integer)
    .execute();
  await database.schema.createIndex('oauth_refresh_tokens_by_grant').on('oauth_refresh_tokens').columns(['grant_id', 'created_at']).execute();
}
