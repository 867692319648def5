import { sql } from 'kysely';
import { isoTime } from '../../../base/clock.ts';
import type { Queries, Storage } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import type { ToolCall } from '../../models/index.ts';
import { openConversation } from '../access.ts';
import { picturesOf } from '../pictures/pictures.ts';
import { bySize, namedRows, type NamedRow } from './exporting.ts';
import { unmarked } from './import-mark.ts';

/** The shown path of a conversation as one Markdown text, for reading: what was said stands there as it is, being Markdown. */
export async function* exportMarkdown(storage: Storage, viewer: Viewer, conversationId: string, signal: AbortSignal): AsyncGenerator<string> {
  const conversation = await openConversation(storage.read, viewer, conversationId, 'read', 'put-away');
  yield `# ${oneLine(conversation.title)}\n\n${isoTime(conversation.created_at)}\n`;
  if (conversation.description) yield `\n${conversation.description}\n`;
  if (conversation.head_id === null) return;
  for (const ids of bySize(await shownPath(storage.read, conversation.head_id))) {
    signal.throwIfAborted();
    // Parents are always made before what follows them, so the order of making is that of the path.
    for (const row of await namedRows(storage.read, ids)) yield section(row);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Ids of the path that ends here, from the root on, with their sizes. */
async function shownPath(queries: Queries, headId: string): Promise<{ id: string; octets: number }[]> {
  const { rows } = await sql<{ id: string; octets: number }>`
    with recursive path(id, parent_id, seq, octets) as (
      select id, parent_id, seq, octet_length(content) + coalesce(octet_length(reasoning), 0) from messages where id = ${headId}
      union all
      select parent.id, parent.parent_id, parent.seq, octet_length(parent.content) + coalesce(octet_length(parent.reasoning), 0) from path join messages parent on parent.id = path.parent_id
    )
    select id, octets from path order by seq`.execute(queries);
  return rows;
}

function section(row: NamedRow): string {
  const lines = [`\n## ${speaker(row)}\n`, `*${isoTime(row.created_at)}${notes(row)}*\n`];
  if (row.reasoning) lines.push(`<details><summary>Reasoning</summary>\n\n${row.reasoning.trim()}\n\n</details>\n`);
  const pictures = picturesOf(row).length;
  if (pictures > 0) lines.push(`[${pictures === 1 ? 'picture' : `${pictures} pictures`}]\n`);
  if (row.content !== '') lines.push(row.role === 'tool' ? fence(row.content) : `${row.content.trim()}\n`);
  const tools = row.tools === null ? null : (JSON.parse(row.tools) as ToolCall[] | { toolCallId: string });
  if (Array.isArray(tools)) for (const call of tools) lines.push(`Calls \`${oneLine(call.name).replaceAll('`', '')}\`:\n`, fence(call.arguments));
  if (row.error_code !== null) lines.push(`> ${oneLine(row.error_message ?? row.error_code)}\n`);
  return `${lines.join('\n')}`;
}

function speaker(row: NamedRow): string {
  const { mark } = unmarked(row.metadata === null ? null : (JSON.parse(row.metadata) as Record<string, unknown>));
  switch (row.role) {
    case 'user':
      return oneLine(row.sender_name ?? mark?.sender ?? 'User');
    case 'assistant':
      return row.model === null ? 'Assistant' : `Assistant (${oneLine(row.model)})`;
    case 'tool':
      return 'Tool';
    case 'system':
      return 'System';
  }
}

function notes(row: NamedRow): string {
  return `${row.is_edited === 1 ? ', edited' : ''}${row.status === 'DELIVERED' ? '' : `, ${row.status.toLowerCase()}`}`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}

/** A fence longer than any in the text. */
function fence(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const ticks = '`'.repeat(longest + 1);
  return `${ticks}\n${text.replace(/\n+$/, '')}\n${ticks}\n`;
}
