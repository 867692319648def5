import { sql, type CreateTableBuilder, type Kysely } from 'kysely';
import type { Engine } from '../types.ts';
import { columnTypes, type ColumnTypes } from './columns.ts';
import type { Migration } from './migration.ts';

/**
 * The first schema: people, conversations, answers, usage and jobs.
 *
 * Deleting a user or a conversation deletes what belongs to it by foreign keys. A few columns name a row without a
 * foreign key, on purpose: `conversations.head_id` and `users.current_conversation_id` would make circles;
 * `messages.reply_to_id` and `replaces_id` name messages that go together with the conversation; `usage.message_id`
 * and `usage.api_key_id` outlive what they name. `messages.parent_id` does not cascade: a conversation is one chain,
 * and SQLite would follow it link by link until its depth limit; the cascade from the conversation takes all at once.
 */
export const groundFloor: Migration = {
  name: '0001-ground-floor',
  async up(database, engine) {
    const types = columnTypes(engine);
    await users(database, engine, types);
    await credentials(database, engine, types);
    await conversations(database, engine, types);
    await messages(database, engine, types);
    await turns(database, engine, types);
    await usage(database, engine, types);
    await jobs(database, engine, types);
    await indexes(database);
  },
};

/** Begins a table. STRICT makes SQLite refuse values of the wrong type, as PostgreSQL does. */
function table<Name extends string>(
  database: Kysely<unknown>,
  engine: Engine,
  name: Name,
  withoutRowId = false,
): CreateTableBuilder<Name, never> {
  const builder = database.schema.createTable(name);
  if (engine !== 'sqlite') return builder;
  return builder.modifyEnd(withoutRowId ? sql`strict, without rowid` : sql`strict`);
}

async function users(database: Kysely<unknown>, engine: Engine, { text, integer }: ColumnTypes): Promise<void> {
  await table(database, engine, 'users')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('username', text, (column) => column.notNull())
    .addColumn('username_key', text, (column) => column.notNull().unique())
    .addColumn('email', text)
    .addColumn('name', text)
    .addColumn('password_hash', text)
    .addColumn('role', text, (column) => column.notNull())
    .addColumn('tokens_valid_from', integer, (column) => column.notNull())
    .addColumn('last_conversation_number', integer, (column) => column.notNull())
    .addColumn('current_conversation_id', text)
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('disabled_at', integer)
    .execute();
  await table(database, engine, 'settings')
    .addColumn('key', text, (column) => column.primaryKey().notNull())
    .addColumn('value', text, (column) => column.notNull())
    .execute();
}

async function credentials(database: Kysely<unknown>, engine: Engine, { text, integer }: ColumnTypes): Promise<void> {
  await table(database, engine, 'tokens')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('user_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('scopes', text, (column) => column.notNull())
    .addColumn('client', text)
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('expires_at', integer, (column) => column.notNull())
    .addColumn('revoked_at', integer)
    .execute();
  await table(database, engine, 'api_keys')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('user_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('prefix', text, (column) => column.notNull())
    .addColumn('hash', text, (column) => column.notNull().unique())
    .addColumn('scopes', text, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('last_used_at', integer)
    .addColumn('expires_at', integer)
    .addColumn('revoked_at', integer)
    .execute();
  await table(database, engine, 'provider_keys')
    .addColumn('user_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('provider', text, (column) => column.notNull())
    .addColumn('ciphertext', text, (column) => column.notNull())
    .addColumn('hint', text, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .addPrimaryKeyConstraint('provider_keys_primary', ['user_id', 'provider'])
    .execute();
  await table(database, engine, 'invites')
    .addColumn('code_hash', text, (column) => column.primaryKey().notNull())
    .addColumn('created_by', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('role', text, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('expires_at', integer, (column) => column.notNull())
    .addColumn('used_by', text, (column) => column.references('users.id').onDelete('set null'))
    .execute();
}

async function conversations(database: Kysely<unknown>, engine: Engine, { text, integer, real }: ColumnTypes): Promise<void> {
  await table(database, engine, 'conversations')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('owner_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('number', integer, (column) => column.notNull())
    .addColumn('title', text, (column) => column.notNull())
    .addColumn('title_source', text, (column) => column.notNull())
    .addColumn('description', text)
    .addColumn('type', text, (column) => column.notNull())
    .addColumn('model', text)
    .addColumn('persona', text)
    .addColumn('system_prompt', text)
    .addColumn('temperature', real)
    .addColumn('max_tokens', integer)
    .addColumn('parameters', text, (column) => column.notNull())
    .addColumn('is_private', integer, (column) => column.notNull())
    .addColumn('tags', text)
    .addColumn('label', text)
    .addColumn('origin', text, (column) => column.notNull())
    .addColumn('head_id', text)
    .addColumn('head_hash', text)
    .addColumn('last_seq', integer, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('last_activity_at', integer, (column) => column.notNull())
    .addColumn('archived_at', integer)
    .execute();
  await table(database, engine, 'participants')
    .addColumn('conversation_id', text, (column) => column.notNull().references('conversations.id').onDelete('cascade'))
    .addColumn('user_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('role', text, (column) => column.notNull())
    .addColumn('can_send_messages', integer, (column) => column.notNull())
    .addColumn('can_upload_files', integer, (column) => column.notNull())
    .addColumn('message_count', integer, (column) => column.notNull())
    .addColumn('joined_at', integer, (column) => column.notNull())
    .addColumn('last_read_at', integer)
    .addPrimaryKeyConstraint('participants_primary', ['conversation_id', 'user_id'])
    .execute();
}

async function messages(database: Kysely<unknown>, engine: Engine, { text, integer, real }: ColumnTypes): Promise<void> {
  await table(database, engine, 'messages')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('conversation_id', text, (column) => column.notNull().references('conversations.id').onDelete('cascade'))
    .addColumn('parent_id', text, (column) => column.references('messages.id'))
    .addColumn('seq', integer, (column) => column.notNull())
    .addColumn('depth', integer, (column) => column.notNull())
    .addColumn('role', text, (column) => column.notNull())
    .addColumn('sender_id', text, (column) => column.references('users.id').onDelete('set null'))
    .addColumn('content', text, (column) => column.notNull())
    .addColumn('reasoning', text)
    .addColumn('tools', text)
    .addColumn('status', text, (column) => column.notNull())
    .addColumn('reply_to_id', text)
    .addColumn('replaces_id', text)
    .addColumn('is_edited', integer, (column) => column.notNull())
    .addColumn('metadata', text)
    .addColumn('idempotency_key', text)
    .addColumn('path_hash', text)
    .addColumn('model', text)
    .addColumn('tokens_in', integer)
    .addColumn('tokens_out', integer)
    .addColumn('tokens_reasoning', integer)
    .addColumn('tokens_cached', integer)
    .addColumn('cost_micros', integer)
    .addColumn('time_to_first_token_ms', real)
    .addColumn('duration_ms', real)
    .addColumn('finish_reason', text)
    .addColumn('confidence', real)
    .addColumn('error_code', text)
    .addColumn('error_message', text)
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('ended_at', integer)
    .execute();
}

async function turns(database: Kysely<unknown>, engine: Engine, { text, integer }: ColumnTypes): Promise<void> {
  await table(database, engine, 'turns')
    .addColumn('message_id', text, (column) => column.primaryKey().notNull().references('messages.id').onDelete('cascade'))
    .addColumn('conversation_id', text, (column) => column.notNull())
    .addColumn('user_id', text, (column) => column.notNull())
    .addColumn('state', text, (column) => column.notNull())
    .addColumn('position', integer, (column) => column.notNull())
    .addColumn('owner', text)
    .addColumn('epoch', integer, (column) => column.notNull())
    .addColumn('lease_until', integer)
    .addColumn('request', text, (column) => column.notNull())
    .addColumn('cancel_requested', integer, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .execute();
  await table(database, engine, 'turn_log', true)
    .addColumn('message_id', text, (column) => column.notNull().references('messages.id').onDelete('cascade'))
    .addColumn('seq', integer, (column) => column.notNull())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('body', text, (column) => column.notNull())
    .addColumn('text_offset', integer, (column) => column.notNull())
    .addPrimaryKeyConstraint('turn_log_primary', ['message_id', 'seq'])
    .execute();
}

async function usage(database: Kysely<unknown>, engine: Engine, { text, integer, real }: ColumnTypes): Promise<void> {
  await table(database, engine, 'usage')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('user_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
    .addColumn('api_key_id', text)
    .addColumn('message_id', text)
    .addColumn('dialect', text, (column) => column.notNull())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('model', text, (column) => column.notNull())
    .addColumn('tokens_in', integer)
    .addColumn('tokens_out', integer)
    .addColumn('cost_micros', integer)
    .addColumn('duration_ms', real)
    .addColumn('time_to_first_token_ms', real)
    .addColumn('outcome', text, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .execute();
}

async function jobs(database: Kysely<unknown>, engine: Engine, { text, integer, real }: ColumnTypes): Promise<void> {
  await table(database, engine, 'jobs')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('user_id', text, (column) => column.references('users.id').onDelete('cascade'))
    .addColumn('payload', text, (column) => column.notNull())
    .addColumn('state', text, (column) => column.notNull())
    .addColumn('dedup_key', text, (column) => column.unique())
    .addColumn('priority', integer, (column) => column.notNull())
    .addColumn('attempts', integer, (column) => column.notNull())
    .addColumn('max_attempts', integer, (column) => column.notNull())
    .addColumn('run_at', integer, (column) => column.notNull())
    .addColumn('owner', text)
    .addColumn('lease_until', integer)
    .addColumn('progress', real)
    .addColumn('note', text)
    .addColumn('result', text)
    .addColumn('error', text)
    .addColumn('cancel_requested', integer, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('ended_at', integer)
    .execute();
}

/** Name, table, columns. A column with `desc` behind it is kept in falling order. */
const indexList: readonly (readonly [name: string, table: string, columns: string[], unique?: 'unique'])[] = [
  ['tokens_by_user', 'tokens', ['user_id', 'created_at']],
  ['tokens_by_expiry', 'tokens', ['expires_at']],
  ['api_keys_by_user', 'api_keys', ['user_id']],
  ['invites_by_creator', 'invites', ['created_by']],
  ['conversations_by_activity', 'conversations', ['owner_id', 'last_activity_at desc']],
  ['conversations_by_head_hash', 'conversations', ['owner_id', 'head_hash']],
  ['conversations_by_number', 'conversations', ['owner_id', 'number'], 'unique'],
  ['participants_by_user', 'participants', ['user_id']],
  ['messages_by_seq', 'messages', ['conversation_id', 'seq'], 'unique'],
  ['messages_by_parent', 'messages', ['parent_id']],
  ['turns_by_position', 'turns', ['conversation_id', 'position']],
  ['turns_by_lease', 'turns', ['state', 'lease_until']],
  ['usage_by_user', 'usage', ['user_id', 'created_at']],
  ['jobs_by_priority', 'jobs', ['state', 'kind', 'priority desc', 'run_at']],
  ['jobs_by_user', 'jobs', ['user_id']],
  // What the clean-up of old jobs looks for; those with a key stay, because the key says that they were done.
  ['jobs_by_end', 'jobs', ['dedup_key', 'ended_at']],
];

async function indexes(database: Kysely<unknown>): Promise<void> {
  // Few messages have a key: the others are left out, so that they do not pay for it.
  const keys = database.schema.createIndex('messages_by_idempotency_key').on('messages').columns(['sender_id', 'idempotency_key']);
  await keys.unique().where(sql.ref('idempotency_key'), 'is not', null).execute();
  for (const [name, on, columns, unique] of indexList) {
    const index = database.schema.createIndex(name).on(on).columns(columns);
    await (unique ? index.unique() : index).execute();
  }
}
