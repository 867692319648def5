import type { MessagesTable, Queries } from '../../../base/storage/index.ts';
import type { ModelMessage } from '../../models/index.ts';

/** Under this key the metadata of a message says which party of its conversation has said it. */
const metadataKey = 'party';

/** Who speaks in a turn, where models speak for more than one party. Kept with the turn. */
export interface Parties {
  /** Whose turn it is: the model sees what this one has said as its own, and everything else as what it is told. */
  speaker: string;
  /** Whose messages are those that name no party: of people, and of models. */
  user: string;
  assistant: string;
}

/** The metadata of a message with its party. */
export function withParty(metadata: Record<string, unknown> | null | undefined, party: string | undefined): Record<string, unknown> {
  return { ...metadata, ...(party === undefined ? {} : { [metadataKey]: party }) };
}

/** The same without it, where it comes from outside. */
export function withoutParty(metadata: Record<string, unknown>): Record<string, unknown> {
  const { [metadataKey]: _, ...rest } = metadata;
  return rest;
}

/** Which party a message is of. */
export function partyOf(message: { role: MessagesTable['role']; metadata: Record<string, unknown> | null }, unnamed: Pick<Parties, 'user' | 'assistant'>): string {
  const party = message.metadata?.[metadataKey];
  return typeof party === 'string' ? party : message.role === 'assistant' ? unnamed.assistant : unnamed.user;
}

/** What was said to its end in a conversation of several parties, in which nothing branches: what was whole last comes first. */
export async function saidRows(queries: Queries, conversationId: string, limit: number, offset: number): Promise<MessagesTable[]> {
  return queries.selectFrom('messages').selectAll().where('conversation_id', '=', conversationId).where('status', '=', 'DELIVERED').where('content', '<>', '')
    .orderBy('ended_at', 'desc').orderBy('seq', 'desc').limit(limit).offset(offset).execute();
}

/** A stored message as the model of a party sees it; null for what was not said to its end. */
export function seenBy(parties: Parties, row: MessagesTable): ModelMessage | null {
  if (row.status !== 'DELIVERED' || row.content === '' || row.role === 'tool') return null;
  if (row.role === 'system') return { role: 'system', content: row.content };
  const metadata = row.metadata === null ? null : (JSON.parse(row.metadata) as Record<string, unknown>);
  return { role: partyOf({ role: row.role, metadata }, parties) === parties.speaker ? 'assistant' : 'user', content: row.content };
}
