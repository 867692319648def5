import { newId } from '../ids.ts';
import type { ConversationsTable, MessagesTable, TurnsTable, UsageTable, UsersTable } from './schema.ts';
import type { Storage, TurnLogRow } from './types.ts';

/** Rows for tests of the base: whole, with the fields that matter given by the test. */

export function userRow(fields: Partial<UsersTable> = {}): UsersTable {
  const id = newId();
  return {
    id, username: id, username_key: id, email: null, name: null, password_hash: null, role: 'user', tokens_valid_from: 0,
    last_conversation_number: 0, current_conversation_id: null, created_at: 1, disabled_at: null, ...fields,
  };
}

export function conversationRow(owner: string, fields: Partial<ConversationsTable> = {}): ConversationsTable {
  return {
    id: newId(), owner_id: owner, number: 1, title: 'A conversation', title_source: 'default', description: null, type: 'DIRECT', model: null,
    persona: null, system_prompt: null, temperature: null, max_tokens: null, parameters: '{}', is_private: 0, tags: null, label: null,
    origin: 'test', head_id: null, head_hash: null, last_seq: 0, created_at: 1, last_activity_at: 1, archived_at: null, trashed_at: null, profile: null, is_linear: 0, ...fields,
  };
}

export function messageRow(conversation: string, seq: number, fields: Partial<MessagesTable> = {}): MessagesTable {
  return {
    id: newId(), conversation_id: conversation, parent_id: null, seq, depth: seq, role: 'assistant', sender_id: null, content: '', reasoning: null,
    tools: null, status: 'DELIVERED', reply_to_id: null, replaces_id: null, is_edited: 0, metadata: null, idempotency_key: null, path_hash: null, model: null,
    tokens_in: null, tokens_out: null, tokens_reasoning: null, tokens_cached: null, cost_micros: null, time_to_first_token_ms: null,
    duration_ms: null, finish_reason: null, confidence: null, error_code: null, error_message: null, created_at: 1, ended_at: null, ...fields,
  };
}

export function turnRow(message: MessagesTable, user: string, fields: Partial<TurnsTable> = {}): TurnsTable {
  return {
    message_id: message.id, conversation_id: message.conversation_id, user_id: user, state: 'RUNNING', position: 1, owner: 'one', epoch: 1,
    lease_until: null, request: '{}', cancel_requested: 0, created_at: 1, ...fields,
  };
}

export function usageRow(user: string, message: string | null): UsageTable {
  return {
    id: newId(), user_id: user, api_key_id: null, message_id: message, dialect: 'test', kind: 'chat', model: 'test/one', tokens_in: 1, tokens_out: 2,
    cost_micros: 3, duration_ms: 4.5, time_to_first_token_ms: 0.5, outcome: 'DELIVERED', created_at: 1, charged_tokens: null, charged_micros: null,
  };
}

/** The `seq`-th row of a turn's log, of six characters. */
export function logRow(messageId: string, seq: number, fields: Partial<TurnLogRow> = {}): TurnLogRow {
  return { messageId, seq, kind: 'text', body: ' token', offset: (seq - 1) * 6, epoch: 1, ...fields };
}

/** A user, a conversation, and `count` answers that are being made in it under epoch 1. */
export async function addRunningTurns(storage: Storage, count: number): Promise<{ userId: string; conversationId: string; messageIds: string[] }> {
  const user = userRow();
  // Without the columns of later migrations: these rows must fit the first schema, too.
  const { trashed_at: _, profile: __, is_linear: ___, ...conversation } = conversationRow(user.id);
  const messages = Array.from({ length: count }, (_, index) => messageRow(conversation.id, index + 1, { status: 'PROCESSING' }));
  await storage.write(async (queries) => {
    await queries.insertInto('users').values(user).execute();
    await queries.insertInto('conversations').values(conversation as ConversationsTable).execute();
    await queries.insertInto('messages').values(messages).execute();
    await queries.insertInto('turns').values(messages.map((message) => turnRow(message, user.id))).execute();
  });
  return { userId: user.id, conversationId: conversation.id, messageIds: messages.map((message) => message.id) };
}

/** What the log of a turn holds, as `seq:body`. */
export async function readLog(storage: Storage, messageId: string): Promise<string[]> {
  const rows = await storage.read.selectFrom('turn_log').select(['seq', 'body']).where('message_id', '=', messageId).orderBy('seq').execute();
  return rows.map((row) => `${row.seq}:${row.body.trim()}`);
}
