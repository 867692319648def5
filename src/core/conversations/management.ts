import { cleanText } from '../../base/text.ts';
import { ParleyError } from '../../base/errors.ts';
import type { ConversationsTable, WriteQueries } from '../../base/storage/index.ts';
import { conversationRows, lockConversation, openConversation, openMessage, refuseBranches } from './access.ts';
import { cancelAll, removeWaiting } from './cancelling.ts';
import type { ConversationParts } from './parts.ts';
import { newestLeaf, pathRows, rootHash } from './path.ts';
import { listedIds } from './organising/organising.ts';
import { isBusy, toMessages } from './reading.ts';
import { toConversation } from './rows.ts';
import { insertConversation } from './sending.ts';
import type { Viewer } from '../accounts/index.ts';
import type { Conversations } from './contract.ts';
import type { Conversation, ConversationChanges, ListFilter, Message, NewConversation, Page } from './types.ts';

export async function getConversation({ storage }: Pick<ConversationParts, 'storage'>, viewer: Viewer, conversationId: string): Promise<Conversation> {
  return toConversation(await openConversation(storage.read, viewer, conversationId, 'read'));
}

export async function createConversation({ storage }: ConversationParts, viewer: Viewer, fields: NewConversation, also?: (queries: WriteQueries, conversationId: string, now: number) => Promise<void>): Promise<Conversation> {
  const clean = cleanFields(fields);
  const now = await storage.now();
  const tail = await storage.write(async (queries) => {
    const made = await insertConversation(queries, viewer.userId, clean, now);
    await also?.(queries, made.conversationId, now);
    return made;
  });
  return getConversation({ storage }, viewer, tail.conversationId);
}

export async function listConversations({ storage }: ConversationParts, viewer: Viewer, page: Page, filter: ListFilter = {}): Promise<Conversation[]> {
  const rows = await conversationRows(storage.read, viewer.userId)
    .where('conversations.id', 'in', listedIds(storage.read, viewer.userId, filter, page))
    .orderBy('conversations.last_activity_at', 'desc')
    .orderBy('conversations.id', 'desc')
    .execute();
  return rows.map(toConversation);
}

export async function changeConversation({ storage, bus }: ConversationParts, viewer: Viewer, conversationId: string, changes: ConversationChanges): Promise<Conversation> {
  const columns = toColumns(cleanFields(changes));
  await storage.write(async (queries) => {
    await lockConversation(storage, queries, conversationId);
    const current = await openConversation(queries, viewer, conversationId, 'manage');
    // The hash of an empty conversation is that of its system prompt.
    if (changes.systemPrompt !== undefined && current.head_id === null) columns.head_hash = rootHash(changes.systemPrompt);
    if (Object.keys(columns).length > 0) await queries.updateTable('conversations').set(columns).where('id', '=', conversationId).execute();
  });
  bus.publish(`conversation:${conversationId}`, { type: 'changed' });
  return getConversation({ storage }, viewer, conversationId);
}

export async function deleteConversation(parts: ConversationParts, viewer: Viewer, conversationId: string): Promise<void> {
  const { storage, bus, budgets, runner } = parts;
  await openConversation(storage.read, viewer, conversationId, 'own', 'put-away');
  await cancelAll(parts, conversationId);
  await storage.write(async (queries) => {
    await lockConversation(storage, queries, conversationId);
    await openConversation(queries, viewer, conversationId, 'own', 'put-away');
    // What was sent meanwhile goes along; a budget holds nothing for it any more.
    await removeWaiting(queries, budgets, conversationId);
    await queries.deleteFrom('conversations').where('id', '=', conversationId).execute();
  });
  // What began or was not stopped meanwhile finds its row gone, here at once and elsewhere with its next event or heartbeat.
  for (const item of runner.running.values()) if (item.turn.conversationId === conversationId) item.stop('deleted');
  bus.publish(`conversation:${conversationId}`, { type: 'deleted' });
}

export async function pageOfMessages({ storage }: ConversationParts, viewer: Viewer, conversationId: string, page: Page): Promise<Message[]> {
  const conversation = await openConversation(storage.read, viewer, conversationId, 'read');
  if (conversation.head_id === null) return [];
  const rows = await pathRows(storage.read, conversation.head_id, page.limit, page.offset);
  return toMessages(storage.read, rows.reverse());
}

export async function oneMessage({ storage }: ConversationParts, viewer: Viewer, messageId: string): Promise<Message> {
  const { message } = await openMessage(storage.read, viewer, messageId, 'read');
  return (await toMessages(storage.read, [message]))[0]!;
}

export async function pathToMessage({ storage }: ConversationParts, viewer: Viewer, messageId: string, page: Page): Promise<Message[]> {
  const { message } = await openMessage(storage.read, viewer, messageId, 'read');
  const rows = await pathRows(storage.read, message.id, page.limit, page.offset);
  return toMessages(storage.read, rows.reverse());
}

export async function tellTyping({ storage, clock, bus }: ConversationParts, viewer: Viewer, conversationId: string, options: { isTyping?: boolean; source?: string } = {}): Promise<number> {
  await openConversation(storage.read, viewer, conversationId, 'write');
  const at = clock.now();
  bus.publish(`conversation:${conversationId}`, { type: 'typing', userId: viewer.userId, username: viewer.username, at, isTyping: options.isTyping ?? true, source: options.source ?? null });
  return at;
}

export async function selectBranch({ storage, bus }: ConversationParts, viewer: Viewer, messageId: string): Promise<Conversation> {
  const { conversation } = await openMessage(storage.read, viewer, messageId, 'write');
  const headId = await storage.write(async (queries) => {
    await lockConversation(storage, queries, conversation.id);
    refuseBranches(await openConversation(queries, viewer, conversation.id, 'write'));
    if (await isBusy(queries, conversation.id)) {
      throw new ParleyError('conflict', { message: 'An answer of this conversation is still being made. Wait for it or stop it first.' });
    }
    const leaf = await newestLeaf(queries, messageId);
    const head = await queries.selectFrom('messages').select('path_hash').where('id', '=', leaf).executeTakeFirstOrThrow();
    await queries.updateTable('conversations').set({ head_id: leaf, head_hash: head.path_hash }).where('id', '=', conversation.id).execute();
    return leaf;
  });
  bus.publish(`conversation:${conversation.id}`, { type: 'branch_changed', headId });
  return getConversation({ storage }, viewer, conversation.id);
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

/** Making, showing and changing conversations. */
export function createManagement(parts: ConversationParts): Pick<Conversations, 'create' | 'list' | 'get' | 'change' | 'delete' | 'message' | 'pathTo' | 'typing' | 'selectBranch'> {
  return {
    create: (...given) => createConversation(parts, ...given),
    list: (...given) => listConversations(parts, ...given),
    get: (...given) => getConversation(parts, ...given),
    change: (...given) => changeConversation(parts, ...given),
    delete: (...given) => deleteConversation(parts, ...given),
    message: (...given) => oneMessage(parts, ...given),
    pathTo: (...given) => pathToMessage(parts, ...given),
    typing: (...given) => tellTyping(parts, ...given),
    selectBranch: (...given) => selectBranch(parts, ...given),
  };
}
