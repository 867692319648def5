import { fieldsOf, Template, type ConversationsTable, type MessagesTable, type ParticipantsTable, type TurnLogTable, type TurnsTable, type UsageTable } from '../../base/storage/index.ts';

/*
 * The statements of every turn, built once.
 */

const conversationColumns: (keyof ConversationsTable)[] = [
  'id', 'owner_id', 'number', 'title', 'title_source', 'description', 'type', 'model', 'persona', 'system_prompt', 'temperature', 'max_tokens',
  'parameters', 'is_private', 'tags', 'label', 'origin', 'head_id', 'head_hash', 'last_seq', 'created_at', 'last_activity_at', 'archived_at', 'trashed_at', 'profile', 'is_linear',
];
export const insertConversationRow = new Template<ConversationsTable>((queries, field) =>
  queries.insertInto('conversations').values(fieldsOf<ConversationsTable>(conversationColumns, field)),
);

const participantColumns: (keyof ParticipantsTable)[] = [
  'conversation_id', 'user_id', 'role', 'can_send_messages', 'can_upload_files', 'message_count', 'joined_at', 'last_read_at', 'pinned_at',
];
export const insertParticipant = new Template<ParticipantsTable>((queries, field) =>
  queries.insertInto('participants').values(fieldsOf<ParticipantsTable>(participantColumns, field)),
);

const messageColumns: (keyof MessagesTable)[] = [
  'id', 'conversation_id', 'parent_id', 'seq', 'depth', 'role', 'sender_id', 'content', 'reasoning', 'tools', 'status', 'reply_to_id', 'replaces_id',
  'is_edited', 'metadata', 'idempotency_key', 'path_hash', 'model', 'tokens_in', 'tokens_out', 'tokens_reasoning', 'tokens_cached', 'cost_micros',
  'time_to_first_token_ms', 'duration_ms', 'finish_reason', 'confidence', 'error_code', 'error_message', 'created_at', 'ended_at',
];
export const insertMessage = new Template<MessagesTable>((queries, field) =>
  queries.insertInto('messages').values(fieldsOf<MessagesTable>(messageColumns, field)),
);

const turnColumns: (keyof TurnsTable)[] = [
  'message_id', 'conversation_id', 'user_id', 'state', 'position', 'owner', 'epoch', 'lease_until', 'request', 'cancel_requested', 'created_at',
];
export const insertTurn = new Template<TurnsTable>((queries, field) => queries.insertInto('turns').values(fieldsOf<TurnsTable>(turnColumns, field)));

/** Counts new messages of a participant. Sending is not reading: the read mark stays. */
export const countMessagesOf = new Template<{ conversation_id: string; user_id: string; count: number }>((queries, field) =>
  queries
    .updateTable('participants')
    .set((builder) => ({ message_count: builder('message_count', '+', field('count')) }))
    .where('conversation_id', '=', field('conversation_id'))
    .where('user_id', '=', field('user_id')),
);

/** Numbers a user's conversations 1, 2, 3, ... */
export const nextConversationNumber = new Template<{ id: string }, { last_conversation_number: number }>((queries, field) =>
  queries
    .updateTable('users')
    .set((builder) => ({ last_conversation_number: builder('last_conversation_number', '+', 1) }))
    .where('id', '=', field('id'))
    .returning('last_conversation_number'),
);

/** Where a conversation ends now, and its title. */
export const moveHeadRow = new Template<Pick<ConversationsTable, 'id' | 'head_id' | 'head_hash' | 'last_seq' | 'last_activity_at'>>((queries, field) =>
  queries
    .updateTable('conversations')
    .set({ head_id: field('head_id'), head_hash: field('head_hash'), last_seq: field('last_seq'), last_activity_at: field('last_activity_at') })
    .where('id', '=', field('id')),
);

/** Takes the turn away from its owner, if the owner still holds it. */
export const removeHeldTurn = new Template<{ message_id: string; epoch: number }>((queries, field) =>
  queries.deleteFrom('turns').where('message_id', '=', field('message_id')).where('epoch', '=', field('epoch')).where('state', '=', 'RUNNING'),
);

export const insertEndEvent = new Template<{ message_id: string; seq: number; body: string }>((queries, field) =>
  queries.insertInto('turn_log').values({ message_id: field('message_id'), seq: field('seq'), kind: 'end', body: field('body'), text_offset: 0 }),
);

/** Columns of an answer that are written when it ends. */
export const outcomeColumns = [
  'status', 'content', 'reasoning', 'tools', 'model', 'tokens_in', 'tokens_out', 'tokens_reasoning', 'tokens_cached', 'cost_micros', 'time_to_first_token_ms',
  'duration_ms', 'finish_reason', 'confidence', 'error_code', 'error_message',
] as const satisfies readonly (keyof MessagesTable)[];
type EndColumns = (typeof outcomeColumns)[number] | 'id' | 'path_hash' | 'ended_at';
export const storeEndOfMessage = new Template<Pick<MessagesTable, EndColumns>>((queries, field) =>
  queries
    .updateTable('messages')
    .set(fieldsOf<Partial<MessagesTable>>([...outcomeColumns, 'path_hash', 'ended_at'], field as never))
    .where('id', '=', field('id')),
);

/** The hash of the path that an answer follows. */
export const hashBeforeAnswer = new Template<{ id: string }, { path_hash: string | null }>((queries, field) =>
  queries
    .selectFrom('messages as answer')
    .innerJoin('messages as parent', 'parent.id', 'answer.parent_id')
    .select('parent.path_hash')
    .where('answer.id', '=', field('id')),
);

/** The hash of the shown path, if it still ends with this answer. */
export const noteEndInConversation = new Template<{ id: string; head_id: string; head_hash: string | null; last_activity_at: number }>((queries, field) =>
  queries
    .updateTable('conversations')
    .set({ head_hash: field('head_hash'), last_activity_at: field('last_activity_at') })
    .where('id', '=', field('id'))
    .where('head_id', '=', field('head_id')),
);

const usageColumns: (keyof UsageTable)[] = [
  'id', 'user_id', 'api_key_id', 'message_id', 'dialect', 'kind', 'model', 'tokens_in', 'tokens_out', 'cost_micros', 'duration_ms',
  'time_to_first_token_ms', 'outcome', 'created_at', 'charged_tokens', 'charged_micros',
];
export const insertUsage = new Template<UsageTable>((queries, field) => queries.insertInto('usage').values(fieldsOf<UsageTable>(usageColumns, field)));

/** The turns of a conversation in their order. */
export const turnsOf = new Template<{ conversation_id: string }, Pick<TurnsTable, 'message_id' | 'state' | 'position'>>((queries, field) =>
  queries.selectFrom('turns').select(['message_id', 'state', 'position']).where('conversation_id', '=', field('conversation_id')).orderBy('position'),
);

export const messageById = new Template<{ id: string }, MessagesTable>((queries, field) => queries.selectFrom('messages').selectAll().where('id', '=', field('id')));

/** What was added to a conversation behind a number, up to another. */
export const messagesBetween = new Template<{ conversation_id: string; after: number; last: number; limit: number }, MessagesTable>((queries, field) =>
  queries
    .selectFrom('messages')
    .selectAll()
    .where('conversation_id', '=', field('conversation_id'))
    .where('seq', '>', field('after'))
    .where('seq', '<=', field('last'))
    .orderBy('seq')
    .limit(field('limit')),
);

/** What says where a message stands among its siblings. */
export type PlaceRow = Pick<MessagesTable, 'id' | 'parent_id' | 'role' | 'seq'>;

export const messagesBehind = new Template<{ parent_id: string }, PlaceRow>((queries, field) =>
  queries.selectFrom('messages').select(['id', 'parent_id', 'role', 'seq']).where('parent_id', '=', field('parent_id')).orderBy('seq'),
);

export const firstMessagesOf = new Template<{ conversation_id: string }, PlaceRow>((queries, field) =>
  queries.selectFrom('messages').select(['id', 'parent_id', 'role', 'seq']).where('conversation_id', '=', field('conversation_id')).where('parent_id', 'is', null).orderBy('seq'),
);

export const turnLogOf = new Template<{ message_id: string }, Pick<TurnLogTable, 'message_id' | 'seq' | 'kind' | 'body'>>((queries, field) =>
  queries.selectFrom('turn_log').select(['message_id', 'seq', 'kind', 'body']).where('message_id', '=', field('message_id')).orderBy('seq'),
);

/** A read mark never goes back: another instance may have written a later one. */
export const markRead = new Template<{ conversation_id: string; user_id: string; at: number }>((queries, field) =>
  queries
    .updateTable('participants')
    .set({ last_read_at: field('at') })
    .where('conversation_id', '=', field('conversation_id'))
    .where('user_id', '=', field('user_id'))
    .where((builder) => builder.or([builder('last_read_at', 'is', null), builder('last_read_at', '<', field('at'))])),
);
