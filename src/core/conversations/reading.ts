import { sql } from 'kysely';
import type { MessagesTable, Queries, WriteQueries } from '../../base/storage/index.ts';
import { toMessage, type LiveText } from './rows.ts';
import { firstMessagesOf, messagesBehind, turnLogOf, type PlaceRow } from './statements.ts';
import type { Message } from './types.ts';

/** Message rows as messages: with their siblings and, for answers in the making, the text committed so far. */
export async function toMessages(queries: Queries | WriteQueries, rows: readonly MessagesTable[]): Promise<Message[]> {
  if (rows.length === 0) return [];
  const siblings = await siblingsOf(queries, rows);
  const live = await liveTexts(queries, rows.filter((row) => row.status === 'PROCESSING').map((row) => row.id));
  return rows.map((row) => toMessage(row, siblings.get(placeOf(row)) ?? [row.id], row.status === 'PROCESSING' ? (live.get(row.id) ?? { text: '', reasoning: '', seq: 0 }) : undefined));
}

/** Messages stand at the same place when they follow the same message with the same role. */
function placeOf(row: Pick<MessagesTable, 'parent_id' | 'role'>): string {
  return `${row.parent_id ?? ''} ${row.role}`;
}

async function siblingsOf(queries: Queries | WriteQueries, rows: readonly MessagesTable[]): Promise<Map<string, string[]>> {
  const parents = new Set(rows.flatMap((row) => (row.parent_id === null ? [] : [row.parent_id])));
  const root = rows.find((row) => row.parent_id === null);
  const roots = root ? await firstMessagesOf.all(queries, { conversation_id: root.conversation_id }) : [];
  const found = await messagesBehindAll(queries, [...parents]);
  const places = new Map<string, string[]>();
  for (const row of [...roots, ...found]) {
    const ids = places.get(placeOf(row));
    if (ids) ids.push(row.id);
    else places.set(placeOf(row), [row.id]);
  }
  return places;
}

/** One or two are asked for with every message that is told: by statements that are built once. */
async function messagesBehindAll(queries: Queries | WriteQueries, parents: readonly string[]): Promise<PlaceRow[]> {
  if (parents.length > 2) return queries.selectFrom('messages').select(['id', 'parent_id', 'role', 'seq']).where('parent_id', 'in', parents).orderBy('seq').execute();
  const found: PlaceRow[] = [];
  for (const parent of parents) found.push(...(await messagesBehind.all(queries, { parent_id: parent })));
  return found;
}

/** Text and reasoning in the turn logs of these messages. */
export async function liveTexts(queries: Queries | WriteQueries, messageIds: readonly string[]): Promise<Map<string, LiveText>> {
  const texts = new Map<string, LiveText>();
  if (messageIds.length === 0) return texts;
  const rows = messageIds.length === 1
    ? await turnLogOf.all(queries, { message_id: messageIds[0]! })
    : await queries.selectFrom('turn_log').select(['message_id', 'seq', 'kind', 'body']).where('message_id', 'in', [...messageIds]).orderBy('message_id').orderBy('seq').execute();
  for (const row of rows) {
    const live = texts.get(row.message_id) ?? { text: '', reasoning: '', seq: 0 };
    if (row.kind === 'text') live.text += row.body;
    if (row.kind === 'reasoning') live.reasoning += row.body;
    live.seq = row.seq;
    texts.set(row.message_id, live);
  }
  return texts;
}

/** Whether an answer is waiting or being made in this conversation. */
export async function isBusy(queries: Queries | WriteQueries, conversationId: string): Promise<boolean> {
  const row = await queries.selectFrom('turns').select(sql<number>`1`.as('one')).where('conversation_id', '=', conversationId).limit(1).executeTakeFirst();
  return row !== undefined;
}
