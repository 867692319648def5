import { sql } from 'kysely';
import { isoTime } from '../../../base/clock.ts';
import type { MessagesTable, Queries, Storage } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import { openConversation, type AccessRow } from '../access.ts';
import { contentsOf, picturesOf, splitMetadata } from '../pictures/pictures.ts';
import { liveTexts } from '../reading.ts';
import { exportFormat, exportVersion, importOrigin, type ImportOrigin } from './form.ts';
import { unmarked } from './import-mark.ts';

/** Conversations whose ids are read at once. */
const conversationsAtOnce = 200;
/** Messages, and bytes of their texts, that are in memory at once; one longer message is alone. */
const messagesAtOnce = 200;
const bytesAtOnce = 1_048_576;

/** A message with the name of who wrote it. */
export type NamedRow = MessagesTable & { sender_name: string | null };

/** Conversations in the project's own form, piece by piece; see docs/export-format.md. */
export async function* exportJson(storage: Storage, viewer: Viewer, conversationId: string | null, now: number, signal: AbortSignal): AsyncGenerator<string> {
  const first = conversationId === null ? null : await openConversation(storage.read, viewer, conversationId, 'read', 'put-away');
  yield `${JSON.stringify({ format: exportFormat, version: exportVersion, exported_at: isoTime(now), exported_by: viewer.username }).slice(0, -1)},"conversations":[`;
  let separator = '\n';
  for await (const conversation of first ? [first] : ownConversations(storage.read, viewer)) {
    signal.throwIfAborted();
    yield separator;
    yield* oneConversation(storage.read, viewer, conversation, signal);
    separator = ',\n';
  }
  yield '\n]}\n';
}

/** All that the viewer owns, but for the trash, in the order of their ids. */
async function* ownConversations(queries: Queries, viewer: Viewer): AsyncGenerator<AccessRow> {
  for (let behind = ''; ;) {
    const rows = await queries
      .selectFrom('conversations')
      .innerJoin('participants as own', (join) => join.onRef('own.conversation_id', '=', 'conversations.id').on('own.user_id', '=', viewer.userId))
      .select('conversations.id')
      .where('own.role', '=', 'OWNER').where('conversations.trashed_at', 'is', null).where('conversations.id', '>', behind)
      .orderBy('conversations.id').limit(conversationsAtOnce).execute();
    for (const { id } of rows) {
      const conversation = await openConversation(queries, viewer, id, 'read', 'put-away').catch(() => null);
      // One that has gone meanwhile is not missed.
      if (conversation && conversation.trashed_at === null) yield conversation;
    }
    if (rows.length < conversationsAtOnce) return;
    behind = rows.at(-1)!.id;
  }
}

async function* oneConversation(queries: Queries, viewer: Viewer, row: AccessRow, signal: AbortSignal): AsyncGenerator<string> {
  const { import: kept, ...parameters } = JSON.parse(row.parameters) as Record<string, unknown>;
  const parsed = importOrigin.safeParse(kept);
  const origin = parsed.success ? parsed.data : null;
  const people = await participantsOf(queries, row.id);
  const head = {
    id: row.id, owner: people.find(({ user_id: id }) => id === row.owner_id)?.username ?? null, title: row.title, title_source: row.title_source, description: row.description, type: row.type,
    model: row.model, persona: row.persona, system_prompt: row.system_prompt, temperature: row.temperature, max_tokens: row.max_tokens, parameters,
    // An imported one is private until its owner opens it; what it was goes along.
    is_private: row.is_private === 1 && (origin?.is_private ?? true), tags: row.tags === null ? null : (JSON.parse(row.tags) as string[]), label: row.label, origin: origin?.origin ?? row.origin,
    head_id: row.head_id, created_at: isoTime(row.created_at), last_activity_at: isoTime(row.last_activity_at), archived_at: time(row.archived_at), pinned_at: time(row.viewer_pinned_at),
    participants: participantShapes(people, origin, viewer),
  };
  yield `${JSON.stringify(head).slice(0, -1)},"messages":[`;
  let separator = '\n';
  for await (const rows of messagesOf(queries, row.id, row.last_seq, signal)) {
    // Pictures are large: a message that has some stands alone.
    for (const some of apart(rows)) {
      const contents = hasPictures(some[0]!) ? await contentsOf(queries, [some[0]!.id]) : null;
      yield separator + some.map((message) => JSON.stringify(messageShape(message, contents?.get(message.id)))).join(',\n');
      separator = ',\n';
    }
  }
  yield '\n]}';
}

type Person = Awaited<ReturnType<typeof participantsOf>>[number];

function participantsOf(queries: Queries, conversationId: string) {
  return queries.selectFrom('participants').innerJoin('users', 'users.id', 'participants.user_id').selectAll('participants').select('users.username')
    .where('conversation_id', '=', conversationId).orderBy('joined_at').orderBy('user_id').limit(1000).execute();
}

/** Those who take part, and those who did where it was imported from. */
function participantShapes(people: readonly Person[], origin: ImportOrigin | null, viewer: Viewer): Record<string, unknown>[] {
  const real = people.map((person) => ({
    username: person.username, role: person.role, can_send_messages: person.can_send_messages === 1, can_upload_files: person.can_upload_files === 1, message_count: person.message_count,
    joined_at: isoTime(person.joined_at), // When others read is their own.
    last_read_at: person.user_id === viewer.userId ? time(person.last_read_at) : null,
  }));
  const names = new Set(real.map(({ username }) => username));
  return [...real, ...(origin?.participants ?? []).filter(({ username }) => !names.has(String(username)))];
}

/** All messages up to a `seq`, in their order, with the texts of answers in the making. */
export async function* messagesOf(queries: Queries, conversationId: string, lastSeq: number, signal: AbortSignal): AsyncGenerator<NamedRow[]> {
  for (let behind = 0; ;) {
    const sizes = await queries.selectFrom('messages').select(['id', 'seq', sql<number>`octet_length(content) + coalesce(octet_length(reasoning), 0)`.as('octets')])
      .where('conversation_id', '=', conversationId).where('seq', '>', behind).where('seq', '<=', lastSeq).orderBy('seq').limit(messagesAtOnce).execute();
    for (const ids of bySize(sizes)) {
      signal.throwIfAborted();
      const rows = await namedRows(queries, ids);
      if (rows.length > 0) yield rows;
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (sizes.length < messagesAtOnce) return;
    behind = sizes.at(-1)!.seq;
  }
}

/** The ids in groups that are small enough. */
export function bySize(sizes: readonly { id: string; octets: number }[]): string[][] {
  const groups: string[][] = [];
  let bytes = Infinity;
  for (const { id, octets } of sizes) {
    if (bytes + octets > bytesAtOnce) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(id);
    bytes += octets;
  }
  return groups;
}

/** Messages with the names of their senders, by `seq`. */
export async function namedRows(queries: Queries, ids: readonly string[]): Promise<NamedRow[]> {
  const rows = await queries.selectFrom('messages').leftJoin('users', 'users.id', 'messages.sender_id').selectAll('messages').select('users.username as sender_name').where('messages.id', 'in', [...ids]).orderBy('seq').execute();
  const making = rows.filter(({ status }) => status === 'PROCESSING').map(({ id }) => id);
  const live = await liveTexts(queries, making);
  return rows.map((row) => {
    const said = live.get(row.id);
    return said && row.status === 'PROCESSING' ? { ...row, content: said.text, reasoning: said.reasoning || null } : row;
  });
}

function hasPictures(row: NamedRow): boolean {
  return picturesOf(row).length > 0;
}

/** Messages in their order: those with pictures alone, the others together. */
function apart(rows: readonly NamedRow[]): NamedRow[][] {
  const groups: NamedRow[][] = [];
  let isOpen = false;
  for (const row of rows) {
    const isAlone = hasPictures(row);
    if (isOpen && !isAlone) groups.at(-1)!.push(row);
    else groups.push([row]);
    isOpen = !isAlone;
  }
  return groups;
}

/** A message in the project's own form. @param contents base64 of its pictures, by their position */
export function messageShape(row: NamedRow, contents?: ReadonlyMap<number, string>): Record<string, unknown> {
  const tools = row.tools === null ? null : (JSON.parse(row.tools) as unknown[] | { toolCallId: string });
  const split = splitMetadata(row.metadata === null ? null : (JSON.parse(row.metadata) as Record<string, unknown>));
  const { mark, metadata } = unmarked(split.metadata);
  const pictures = split.pictures.map(({ type, url, detail, offset }, position) => ({ type, url, data: contents?.get(position) ?? null, detail, offset }));
  const measured = {
    tokens_in: row.tokens_in, tokens_out: row.tokens_out, tokens_reasoning: row.tokens_reasoning, tokens_cached: row.tokens_cached, cost_micros: row.cost_micros,
    time_to_first_token_ms: row.time_to_first_token_ms, duration_ms: row.duration_ms, confidence: row.confidence,
  };
  const figures = row.role === 'assistant' ? { ...measured, ...mark?.figures } : null;
  return {
    id: row.id, parent_id: row.parent_id, role: row.role, sender: row.sender_name ?? mark?.sender ?? null, content: row.content, reasoning: row.reasoning,
    tool_calls: Array.isArray(tools) ? tools : null, tool_call_id: tools !== null && !Array.isArray(tools) ? tools.toolCallId : null, pictures: pictures.length > 0 ? pictures : null, status: row.status, reply_to_id: row.reply_to_id,
    replaces_id: row.replaces_id, is_edited: row.is_edited === 1, metadata, model: row.model, figures, finish_reason: row.finish_reason,
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' }, created_at: isoTime(row.created_at), ended_at: time(row.ended_at),
  };
}

function time(milliseconds: number | null): string | null {
  return milliseconds === null ? null : isoTime(milliseconds);
}
