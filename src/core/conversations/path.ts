import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { MessagesTable, Queries, WriteQueries } from '../../base/storage/index.ts';
import type { ModelMessage } from '../models/index.ts';
import { hashedPictures, picturesToKeep, type KeptPicture } from './pictures/pictures.ts';

/**
 * Paths through the tree of messages. A conversation shows the path from its root to its head; everything else are
 * branches. Each message that ended carries a hash over its whole path, so that a sent history is found by one lookup.
 */

/** Hash of the empty path of a conversation with this system prompt. */
export function rootHash(systemPrompt: string | null): string {
  return digest('', 'system', systemPrompt ?? '', null);
}

/** Hash of the path that ends with this message. `tools` is the JSON of its tool calls, or the id of the call it answers. */
export function nextHash(parentHash: string, role: string, content: string, tools: string | null, pictures: readonly KeptPicture[] = []): string {
  return digest(parentHash, role, content + hashedPictures(pictures), tools);
}

function digest(parentHash: string, role: string, content: string, tools: string | null): string {
  return createHash('sha256').update(`${parentHash}\0${role}\0${tools ?? ''}\0${content}`).digest('hex');
}

/** The tools column of a message in a sent history. */
export function toolsColumn(message: Pick<ModelMessage, 'toolCalls' | 'toolCallId'>): string | null {
  if (message.toolCalls && message.toolCalls.length > 0) return JSON.stringify(message.toolCalls);
  return message.toolCallId === undefined ? null : JSON.stringify({ toolCallId: message.toolCallId });
}

/**
 * A sent history as a system prompt and the messages behind it: system messages at its beginning are one prompt.
 */
export function splitHistory(history: readonly ModelMessage[]): { systemPrompt: string | null; messages: ModelMessage[] } {
  let first = 0;
  while (first < history.length && history[first]!.role === 'system') first += 1;
  const prompts = history.slice(0, first).map((message) => message.content);
  return { systemPrompt: prompts.length > 0 ? prompts.join('\n\n') : null, messages: history.slice(first) };
}

/** The hashes along a history, one for each message. */
export function historyHashes(systemPrompt: string | null, messages: readonly ModelMessage[]): string[] {
  let hash = rootHash(systemPrompt);
  return messages.map((message) => (hash = nextHash(hash, message.role, message.content, toolsColumn(message), picturesToKeep(message.parts).pictures)));
}

/** Rows of the path that ends at `headId`, newest first: skips `offset` rows and gives at most `limit`. */
export async function pathRows(queries: Queries | WriteQueries, headId: string, limit: number, offset: number): Promise<MessagesTable[]> {
  const result = await sql<MessagesTable>`
    with recursive path(id, parent_id, hop) as (
      select id, parent_id, 1 from messages where id = ${headId}
      union all
      select parent.id, parent.parent_id, path.hop + 1
      from path join messages parent on parent.id = path.parent_id
      where path.hop < ${limit + offset}
    )
    select messages.* from path join messages on messages.id = path.id
    where path.hop > ${offset} order by path.hop`.execute(queries);
  return result.rows;
}

/** The newest message below `messageId` (or itself): children are always made after their parents, so it is a leaf. */
export async function newestLeaf(queries: Queries | WriteQueries, messageId: string): Promise<string> {
  const result = await sql<{ id: string }>`
    with recursive below(id, seq) as (
      select id, seq from messages where id = ${messageId}
      union all
      select child.id, child.seq from below join messages child on child.parent_id = below.id
    )
    select id from below order by seq desc limit 1`.execute(queries);
  return result.rows[0]!.id;
}
