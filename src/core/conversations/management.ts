import { cleanText } from '../../base/text.ts';
import { ParleyError } from '../../base/errors.ts';
import type { ConversationsTable } from '../../base/storage/index.ts';
import { conversationRows, lockConversation, openConversation, openMessage } from './access.ts';
import type { ConversationParts } from './parts.ts';
import { newestLeaf, pathRows, rootHash } from './path.ts';
import { isBusy, toMessages } from './reading.ts';
import { toConversation } from './rows.ts';
import { insertConversation } from './sending.ts';
import type { ConversationChanges, Conversations, NewConversation } from './types.ts';

/** Making, listing, reading, changing and deleting conversations. */
export function createManagement(
  parts: ConversationParts,
): Pick<Conversations, 'create' | 'list' | 'get' | 'change' | 'delete' | 'messages' | 'message' | 'participants' | 'typing' | 'selectBranch'> {
  const { storage, clock, bus, runner } = parts;

  const get: Conversations['get'] = async (viewer, conversationId) =>
    toConversation(await openConversation(storage.read, viewer, conversationId, 'read'));

  return {
    get,

    async create(viewer, fields) {
      const clean = cleanFields(fields);
      const now = clock.now();
      const tail = await storage.write((queries) => insertConversation(queries, viewer.userId, clean, now));
      return get(viewer, tail.conversationId);
    },

    async list(viewer, page) {
      const rows = await conversationRows(storage.read, viewer.userId)
        .where('own.role', 'is not', null)
        .where('conversations.archived_at', 'is', null)
        .orderBy('conversations.last_activity_at', 'desc')
        .orderBy('conversations.id', 'desc')
        .limit(page.limit)
        .offset(page.offset)
        .execute();
      return rows.map(toConversation);
    },

    async change(viewer, conversationId, changes) {
      const columns = toColumns(cleanFields(changes));
      await storage.write(async (queries) => {
        await lockConversation(storage, queries, conversationId);
        const current = await openConversation(queries, viewer, conversationId, 'manage');
        // The hash of an empty conversation is that of its system prompt.
        if (changes.systemPrompt !== undefined && current.head_id === null) columns.head_hash = rootHash(changes.systemPrompt);
        if (Object.keys(columns).length > 0) await queries.updateTable('conversations').set(columns).where('id', '=', conversationId).execute();
      });
      bus.publish(`conversation:${conversationId}`, { type: 'changed' });
      return get(viewer, conversationId);
    },

    async delete(viewer, conversationId) {
      await openConversation(storage.read, viewer, conversationId, 'manage');
      const running = [...runner.running.values()].filter((item) => item.turn.conversationId === conversationId);
      for (const item of running) item.stop('cancelled');
      await Promise.all(running.map((item) => item.ended));
      await storage.write(async (queries) => {
        await lockConversation(storage, queries, conversationId);
        await openConversation(queries, viewer, conversationId, 'manage');
        await queries.deleteFrom('conversations').where('id', '=', conversationId).execute();
      });
      for (const item of runner.running.values()) if (item.turn.conversationId === conversationId) item.stop('deleted');
      bus.publish(`conversation:${conversationId}`, { type: 'deleted' });
    },

    async messages(viewer, conversationId, page) {
      const conversation = await openConversation(storage.read, viewer, conversationId, 'read');
      if (conversation.head_id === null) return [];
      const rows = await pathRows(storage.read, conversation.head_id, page.limit, page.offset);
      return toMessages(storage.read, rows.reverse());
    },

    async message(viewer, messageId) {
      const { message } = await openMessage(storage.read, viewer, messageId, 'read');
      return (await toMessages(storage.read, [message]))[0]!;
    },

    async participants(viewer, conversationId) {
      await openConversation(storage.read, viewer, conversationId, 'read');
      const rows = await storage.read
        .selectFrom('participants')
        .innerJoin('users', 'users.id', 'participants.user_id')
        .selectAll('participants')
        .select('users.username')
        .where('conversation_id', '=', conversationId)
        .orderBy('joined_at')
        .limit(1000)
        .execute();
      return rows.map((row) => ({
        userId: row.user_id,
        username: row.username,
        role: row.role,
        canSendMessages: row.can_send_messages === 1,
        canUploadFiles: row.can_upload_files === 1,
        messageCount: row.message_count,
        joinedAt: row.joined_at,
        lastReadAt: row.last_read_at,
      }));
    },

    async typing(viewer, conversationId) {
      await openConversation(storage.read, viewer, conversationId, 'write');
      const at = clock.now();
      bus.publish(`conversation:${conversationId}`, { type: 'typing', userId: viewer.userId, username: viewer.username, at });
      return at;
    },

    async selectBranch(viewer, messageId) {
      const { conversation } = await openMessage(storage.read, viewer, messageId, 'write');
      const headId = await storage.write(async (queries) => {
        await lockConversation(storage, queries, conversation.id);
        await openConversation(queries, viewer, conversation.id, 'write');
        if (await isBusy(queries, conversation.id)) {
          throw new ParleyError('conflict', { message: 'An answer of this conversation is still being made. Wait for it or stop it first.' });
        }
        const leaf = await newestLeaf(queries, messageId);
        const head = await queries.selectFrom('messages').select('path_hash').where('id', '=', leaf).executeTakeFirstOrThrow();
        await queries.updateTable('conversations').set({ head_id: leaf, head_hash: head.path_hash }).where('id', '=', conversation.id).execute();
        return leaf;
      });
      bus.publish(`conversation:${conversation.id}`, { type: 'branch_changed', headId });
      return get(viewer, conversation.id);
    },
  };
}

function cleanFields<Fields extends ConversationChanges | NewConversation>(fields: Fields): Fields {
  const clean = { ...fields };
  for (const field of ['title', 'description', 'persona', 'systemPrompt', 'model'] as const) {
    const value = clean[field];
    if (typeof value === 'string') clean[field] = cleanText(value, field);
  }
  if (clean.tags) clean.tags = clean.tags.map((tag) => cleanText(tag, 'tags'));
  return clean;
}

function toColumns(changes: ConversationChanges): Partial<ConversationsTable> {
  const columns: Partial<ConversationsTable> = {};
  if (changes.title !== undefined) Object.assign(columns, { title: changes.title, title_source: 'user' });
  if (changes.description !== undefined) columns.description = changes.description;
  if (changes.model !== undefined) columns.model = changes.model;
  if (changes.persona !== undefined) columns.persona = changes.persona;
  if (changes.systemPrompt !== undefined) columns.system_prompt = changes.systemPrompt;
  if (changes.temperature !== undefined) columns.temperature = changes.temperature;
  if (changes.maxTokens !== undefined) columns.max_tokens = changes.maxTokens;
  if (changes.isPrivate !== undefined) columns.is_private = changes.isPrivate ? 1 : 0;
  if (changes.tags !== undefined) columns.tags = changes.tags === null ? null : JSON.stringify(changes.tags);
  return columns;
}
