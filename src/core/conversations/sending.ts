import { ParleyError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { MessagesTable, WriteQueries } from '../../base/storage/index.ts';
import type { Role } from '../accounts/index.ts';
import type { Budgets } from '../budgets/index.ts';
import type { ModelMessage } from '../models/index.ts';
import { nextHash, rootHash, toolsColumn } from './path.ts';
import { insertPictures, picturesToKeep, withPictures } from './pictures/pictures.ts';
import { participantRow } from './members/participants.ts';
import { newMessageRow } from './rows.ts';
import { withSentContext } from './sent-context.ts';
import type { AccessRow } from './access.ts';
import { reserveAnswer, type AnswerToPay } from './figures/spending.ts';
import { countMessagesOf, insertConversationRow, insertEndEvent, insertMessage, insertParticipant, insertTurn, moveHeadRow, nextConversationNumber, turnsOf } from './statements.ts';
import type { NewConversation, Outgoing } from './types.ts';
import { leaseMs, mostQueued, type HeldTurn, type TurnRequest } from './turns/request.ts';

/** An answer to begin, as rows. */
export interface NewAnswer {
  message: MessagesTable;
  /** Set when it begins at once, under this instance's lease; null while it waits or when it has failed already. */
  held: HeldTurn | null;
}

/** Where new messages go in a conversation: kept in step with its row while a transaction adds messages. */
export interface Tail {
  conversationId: string;
  headId: string | null;
  headDepth: number;
  /** Hash of the shown path; null while its end is being answered. */
  headHash: string | null;
  lastSeq: number;
}

export function tailOf(conversation: AccessRow): Tail {
  return {
    conversationId: conversation.id,
    headId: conversation.head_id,
    headDepth: conversation.head_depth ?? 0,
    headHash: conversation.head_hash,
    lastSeq: conversation.last_seq,
  };
}

/** A question behind the head. The parent is the head as it stands in this transaction: sending never branches. */
export function questionRow(tail: Tail, senderId: string, outgoing: Outgoing, now: number, pictures = picturesToKeep(outgoing.parts).pictures): MessagesTable {
  const role = outgoing.toolCallId === undefined ? 'user' : 'tool';
  const tools = toolsColumn(outgoing);
  const metadata = withPictures(withSentContext(outgoing.metadata, outgoing.context), pictures);
  return newMessageRow({
    id: newId(),
    conversation_id: tail.conversationId,
    parent_id: tail.headId,
    seq: tail.lastSeq + 1,
    depth: tail.headDepth + 1,
    role,
    sender_id: senderId,
    content: outgoing.content,
    tools,
    status: 'DELIVERED',
    reply_to_id: outgoing.replyToId ?? null,
    metadata: metadata && JSON.stringify(metadata),
    idempotency_key: outgoing.idempotencyKey ?? null,
    path_hash: tail.headHash === null ? null : nextHash(tail.headHash, role, outgoing.content, tools, pictures),
    created_at: now,
    ended_at: now,
  });
}

/** A message that was said already, behind `tail`: of a history, or one that comes with a question. */
export function saidRow(tail: Tail, senderId: string, message: ModelMessage, now: number): MessagesTable {
  const tools = toolsColumn(message);
  const { pictures } = picturesToKeep(message.parts);
  const metadata = withPictures(null, pictures);
  return newMessageRow({
    id: newId(),
    conversation_id: tail.conversationId,
    parent_id: tail.headId,
    seq: tail.lastSeq + 1,
    depth: tail.headDepth + 1,
    role: message.role,
    sender_id: message.role === 'user' ? senderId : null,
    content: message.content,
    tools,
    status: 'DELIVERED',
    metadata: metadata && JSON.stringify(metadata),
    path_hash: tail.headHash === null ? null : nextHash(tail.headHash, message.role, message.content, tools, pictures),
    created_at: now,
    ended_at: now,
  });
}

/** Adds messages that were said already; returns where the conversation ends behind them. */
export async function addSaid(queries: WriteQueries, tail: Tail, senderId: string, messages: readonly ModelMessage[], now: number): Promise<Tail> {
  const rows: MessagesTable[] = [];
  for (const message of messages) {
    const row = saidRow(tail, senderId, message, now);
    rows.push(row);
    tail = follow(tail, row);
  }
  const own = rows.filter((row) => row.sender_id !== null).length;
  if (own > 0) await countMessages(queries, tail.conversationId, senderId, own);
  for (let first = 0; first < rows.length; first += 100) await queries.insertInto('messages').values(rows.slice(first, first + 100)).execute();
  for (const [index, { parts }] of messages.entries()) await insertPictures(queries, rows[index]!.id, picturesToKeep(parts));
  return tail;
}

/** Moves the tail behind a message that has just been added. */
export function follow(tail: Tail, row: MessagesTable): Tail {
  return { ...tail, headId: row.id, headDepth: row.depth, headHash: row.path_hash, lastSeq: row.seq };
}

/** What `addAnswer` needs to know of the turn. */
export interface AnswerPlan {
  userId: string;
  role: Role;
  budgets: Budgets;
  request: TurnRequest;
  /** The model that will be asked, for the message; null when there is none. */
  model: string | null;
  /** Tokens; null when not known. */
  contextLength: number | null;
  /** Why no model can be asked; the answer is then stored as FAILED at once. */
  failure: ParleyError | null;
  replacesId: string | null;
  /** Kept on the answer. */
  metadata: Record<string, unknown> | null;
  /** Whether it waits for another process to begin it, also when the conversation is free. */
  waits: boolean;
  instanceId: string;
  now: number;
  databaseNow: number;
}

/**
 * Adds the answer behind `tail`: running when the conversation is free, else waiting behind the turns that are there.
 * @throws {ParleyError} `queue_full`, `budget_exceeded`, and `forbidden` for a model that a budget in money cannot pay
 */
export async function addAnswer(queries: WriteQueries, tail: Tail, plan: AnswerPlan): Promise<NewAnswer> {
  const others = plan.failure
    ? []
    : await turnsOf.all(queries, { conversation_id: tail.conversationId });
  if (others.filter((turn) => turn.state === 'QUEUED').length >= mostQueued) throw new ParleyError('queue_full');
  const isFree = others.length === 0 && !plan.waits;
  const message = newMessageRow({
    id: newId(),
    conversation_id: tail.conversationId,
    parent_id: tail.headId,
    seq: tail.lastSeq + 1,
    depth: tail.headDepth + 1,
    role: 'assistant',
    status: plan.failure ? 'FAILED' : isFree ? 'PROCESSING' : 'QUEUED',
    replaces_id: plan.replacesId,
    metadata: plan.metadata && JSON.stringify(plan.metadata),
    model: plan.model,
    error_code: plan.failure?.code ?? null,
    error_message: plan.failure?.message ?? null,
    created_at: plan.now,
    ended_at: plan.failure ? plan.now : null,
  });
  const isReserved = !plan.failure && (await reserveAnswer(queries, plan.budgets, toPay(message, plan)));
  const request = isReserved ? { ...plan.request, reserved: true } : plan.request;
  await insertMessage.run(queries, message);
  if (plan.failure) {
    await insertEndEvent.run(queries, { message_id: message.id, seq: 1, body: JSON.stringify({ status: 'FAILED', finishReason: null, error: { code: plan.failure.code, message: plan.failure.message } }) });
    return { message, held: null };
  }
  const turn = {
    message_id: message.id,
    conversation_id: tail.conversationId,
    user_id: plan.userId,
    state: isFree ? ('RUNNING' as const) : ('QUEUED' as const),
    position: (others.at(-1)?.position ?? 0) + 1,
    owner: isFree ? plan.instanceId : null,
    epoch: isFree ? 1 : 0,
    lease_until: isFree ? plan.databaseNow + leaseMs : null,
    request: JSON.stringify(request),
    cancel_requested: 0,
    created_at: plan.now,
  };
  await insertTurn.run(queries, turn);
  const held = isFree
    ? { messageId: message.id, conversationId: tail.conversationId, userId: plan.userId, epoch: 1, request }
    : null;
  return { message, held };
}

function toPay(message: MessagesTable, plan: AnswerPlan): AnswerToPay {
  const { userId, role, request, model, contextLength } = plan;
  return { id: message.id, parentId: message.parent_id, conversationId: message.conversation_id, spender: { userId, role, apiKeyId: request.apiKeyId }, request, model, contextLength };
}

/** Writes where the conversation ends now. */
export async function moveHead(queries: WriteQueries, tail: Tail, now: number, title?: { title: string; title_source: 'first-message' }): Promise<void> {
  await moveHeadRow.run(queries, { id: tail.conversationId, head_id: tail.headId, head_hash: tail.headHash, last_seq: tail.lastSeq, last_activity_at: now });
  if (title) await queries.updateTable('conversations').set(title).where('id', '=', tail.conversationId).execute();
}

/** Counts new messages of this participant. */
export async function countMessages(queries: WriteQueries, conversationId: string, userId: string, count: number): Promise<void> {
  await countMessagesOf.run(queries, { conversation_id: conversationId, user_id: userId, count });
}

/**
 * Rows for a new conversation and its owner's part in it.
 * @param firstTitle a title taken from its first message, when that is known already
 */
export async function insertConversation(
  queries: WriteQueries,
  viewerId: string,
  fields: NewConversation,
  now: number,
  firstTitle?: string,
): Promise<Tail> {
  const id = newId();
  const { last_conversation_number: number } = (await nextConversationNumber.first(queries, { id: viewerId }))!;
  const hash = rootHash(fields.systemPrompt ?? null);
  await insertConversationRow.run(queries, {
    id,
    owner_id: viewerId,
    number,
    title: fields.title ?? firstTitle ?? 'New chat',
    title_source: fields.title !== undefined ? 'user' : firstTitle !== undefined ? 'first-message' : 'default',
    description: fields.description ?? null,
    type: fields.type ?? 'DIRECT',
    model: fields.model ?? null,
    persona: fields.persona ?? null,
    system_prompt: fields.systemPrompt ?? null,
    temperature: fields.temperature ?? null,
    max_tokens: fields.maxTokens ?? null,
    parameters: '{}',
    is_private: fields.isPrivate ? 1 : 0,
    tags: fields.tags ? JSON.stringify(fields.tags) : null,
    label: fields.label ?? null,
    origin: fields.origin,
    head_id: null,
    head_hash: hash,
    last_seq: 0,
    created_at: now,
    last_activity_at: now,
    archived_at: null,
    trashed_at: null,
    profile: fields.profile ?? null,
    is_linear: fields.isLinear ? 1 : 0,
  });
  await insertParticipant.run(queries, participantRow(id, viewerId, 'OWNER', now));
  return { conversationId: id, headId: null, headDepth: 0, headHash: hash, lastSeq: 0 };
}

/** Longest automatic title, in characters. */
const longestTitle = 60;

/** The beginning of a first message as a title: its first line, cut at a word. */
export function titleFrom(content: string): string {
  const line = content.trim().split(/\s*\n/, 1)[0]!.replaceAll(/\s+/g, ' ').replace(/^[#>*\-\s`]+/, '').trim();
  const characters = [...line];
  if (characters.length === 0) return 'New chat';
  if (characters.length <= longestTitle) return line;
  const cut = characters.slice(0, longestTitle).join('');
  const space = cut.lastIndexOf(' ');
  return `${space > longestTitle / 2 ? cut.slice(0, space) : cut}…`;
}
