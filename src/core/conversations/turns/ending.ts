import type { MessagesTable, UsageTable, WriteQueries } from '../../../base/storage/index.ts';
import type { NewJob } from '../../../base/jobs/index.ts';
import { newId } from '../../../base/ids.ts';
import { estimateTokens, type Budgets } from '../../budgets/index.ts';
import { nextHash } from '../path.ts';
import { picturesOf } from '../pictures/pictures.ts';
import type { HeldTurn, TurnRequest } from './request.ts';
import { leaseMs } from './request.ts';
import { hashBeforeAnswer, insertEndEvent, insertUsage, noteEndInConversation, removeHeldTurn, storeEndOfMessage, turnsOf } from '../statements.ts';

/** How an answer ended, as it is stored. */
export type Outcome = Pick<
  MessagesTable,
  | 'content' | 'reasoning' | 'tools' | 'model' | 'tokens_in' | 'tokens_out' | 'tokens_reasoning' | 'tokens_cached' | 'cost_micros'
  | 'time_to_first_token_ms' | 'duration_ms' | 'finish_reason' | 'confidence' | 'error_code' | 'error_message'
> & { status: 'DELIVERED' | 'CANCELLED' | 'FAILED' | 'INTERRUPTED' };

/** The last event of a turn, as it stands in the log. */
export interface EndBody {
  status: Outcome['status'];
  finishReason: Outcome['finish_reason'];
  error: { code: string; message: string; retryAfterMs?: number } | null;
}

export function endBody(outcome: Outcome, retryAfterMs?: number): EndBody {
  return {
    status: outcome.status,
    finishReason: outcome.finish_reason,
    error: outcome.error_code === null ? null : { code: outcome.error_code, message: outcome.error_message ?? '', retryAfterMs },
  };
}

/** What ending a turn needs besides the turn. */
export interface EndContext {
  now: number;
  /** Milliseconds by the database's clock: leases are compared by it. */
  databaseNow: number;
  instanceId: string;
  /** Jobs that are added in the same transaction. */
  observers: readonly NewJob[];
  addJob: (queries: WriteQueries, job: NewJob) => Promise<unknown>;
  budgets: Budgets;
  /** What the model said in this turn, without a text kept from before: counts against budgets where it has no figures. */
  said: string;
  /** When trying again makes sense, if the service said so. */
  retryAfterMs?: number;
  /** Whether the next waiting turn of the conversation begins here. */
  promote: boolean;
}

/** What ending a turn changed besides the message. */
export interface Ended {
  /** False when the lease was no longer held: then nothing was written. */
  written: boolean;
  /** The next waiting turn of the conversation, now held by this instance. */
  next: HeldTurn | null;
}

/**
 * Ends a turn in one transaction: folds the log into the message, notes the usage, lets the next waiting turn of the
 * conversation begin, and adds the jobs of the observers. Fenced: writes nothing unless the epoch is still the one held.
 */
export async function endTurn(
  queries: WriteQueries,
  turn: HeldTurn,
  seq: number,
  outcome: Outcome,
  context: EndContext,
): Promise<Ended> {
  const removed = await removeHeldTurn.run(queries, { message_id: turn.messageId, epoch: turn.epoch });
  if (removed === 0) return { written: false, next: null };

  await insertEndEvent.run(queries, { message_id: turn.messageId, seq, body: JSON.stringify(endBody(outcome, context.retryAfterMs)) });
  const endedAt = turn.request.parties ? await endBehind(queries, turn.conversationId, context.now) : context.now;
  const hash = await storeOutcome(queries, turn.messageId, outcome, endedAt);
  await noteEndInConversation.run(queries, { id: turn.conversationId, head_id: turn.messageId, head_hash: hash, last_activity_at: endedAt });
  await noteTurnUsage(queries, turn, outcome, context);
  for (const job of context.observers) await context.addJob(queries, job);
  const next = context.promote ? await promoteNext(queries, turn.conversationId, context.instanceId, context.databaseNow) : null;
  return { written: true, next };
}

/** Where several parties speak, what was said is ordered by when it was whole: this one comes behind everything that is there. */
async function endBehind(queries: WriteQueries, conversationId: string, now: number): Promise<number> {
  const row = await queries.selectFrom('conversations').select('last_activity_at').where('id', '=', conversationId).executeTakeFirst();
  const endedAt = Math.max(now, (row?.last_activity_at ?? 0) + 1);
  // Also when something was said meanwhile, and the conversation ends with that.
  await queries.updateTable('conversations').set({ last_activity_at: endedAt }).where('id', '=', conversationId).execute();
  return endedAt;
}

/** Stores how the answer ended and returns the hash of its path (null when it said nothing). */
async function storeOutcome(queries: WriteQueries, messageId: string, outcome: Outcome, now: number): Promise<string | null> {
  const parent = await hashBeforeAnswer.first(queries, { id: messageId });
  const saidNothing = outcome.content === '' && outcome.tools === null;
  const hash = saidNothing || !parent?.path_hash ? null : nextHash(parent.path_hash, 'assistant', outcome.content, outcome.tools);
  await storeEndOfMessage.run(queries, { ...outcome, id: messageId, path_hash: hash, ended_at: now });
  return hash;
}

/** Notes what a turn used, and settles what was reserved for it. */
export async function noteTurnUsage(queries: WriteQueries, turn: Pick<HeldTurn, 'userId' | 'messageId' | 'request'>, outcome: Outcome, context: Pick<EndContext, 'budgets' | 'said' | 'now'>): Promise<void> {
  const reservation = turn.request.reserved ? turn.messageId : null;
  await noteUsage(queries, context.budgets, usageOf(turn, outcome, context.now), reservation, outcome.tokens_out === null ? context.said : '');
}

/**
 * Notes what a turn used that is over without having been ended here: its conversation was deleted meanwhile. When
 * another instance has ended it, that one has noted it already.
 */
export async function noteLostTurn(queries: WriteQueries, turn: HeldTurn, outcome: Outcome, context: Pick<EndContext, 'budgets' | 'said' | 'now'>): Promise<void> {
  const message = await queries.selectFrom('messages').select('id').where('id', '=', turn.messageId).executeTakeFirst();
  if (message || (turn.request.reserved && !(await context.budgets.isReserved(queries, turn.messageId)))) return;
  // Whoever ended it noted it in the same transaction, and the conversation was deleted afterwards.
  const noted = await queries.selectFrom('usage').select('id').where('user_id', '=', turn.userId).where('message_id', '=', turn.messageId).executeTakeFirst();
  if (noted) return;
  await noteTurnUsage(queries, turn, outcome, context);
}

/**
 * Stores a usage row, when there is one, and settles what was reserved for the call.
 * @param said what the model said, when its tokens are not known
 */
export async function noteUsage(queries: WriteQueries, budgets: Budgets, usage: UsageTable | null, reservation: string | null, said: string): Promise<void> {
  await budgets.settle(queries, [{ reservation, usage, tokensSaid: said === '' ? 0 : estimateTokens(said) }]);
  if (usage) await insertUsage.run(queries, usage);
}

/** One row for each call of a model; a turn that never reached one has none. */
export function usageOf(turn: Pick<HeldTurn, 'userId' | 'messageId' | 'request'>, outcome: Outcome, now: number): UsageTable | null {
  if (outcome.model === null || (outcome.duration_ms === null && outcome.status !== 'INTERRUPTED')) return null;
  return {
    id: newId(),
    user_id: turn.userId,
    api_key_id: turn.request.apiKeyId,
    message_id: turn.messageId,
    dialect: turn.request.dialect,
    kind: 'chat',
    model: outcome.model,
    tokens_in: outcome.tokens_in,
    tokens_out: outcome.tokens_out,
    cost_micros: outcome.cost_micros,
    duration_ms: outcome.duration_ms,
    time_to_first_token_ms: outcome.time_to_first_token_ms,
    outcome: outcome.status,
    created_at: now,
    charged_tokens: null,
    charged_micros: null,
  };
}

/** Gives the lease of the conversation's next waiting turn to this instance; null when none waits or one runs. */
export async function promoteNext(queries: WriteQueries, conversationId: string, instanceId: string, databaseNow: number): Promise<HeldTurn | null> {
  const first = (await turnsOf.all(queries, { conversation_id: conversationId }))[0];
  if (first?.state !== 'QUEUED') return null;
  const next = await queries.selectFrom('turns').selectAll().where('message_id', '=', first.message_id).executeTakeFirstOrThrow();
  const epoch = next.epoch + 1;
  const taken = await queries
    .updateTable('turns')
    .set({ state: 'RUNNING', owner: instanceId, epoch, lease_until: databaseNow + leaseMs })
    .where('message_id', '=', next.message_id)
    .where('epoch', '=', next.epoch)
    .where('state', '=', 'QUEUED')
    .executeTakeFirst();
  if (Number(taken.numUpdatedRows) === 0) return null;
  await queries.updateTable('messages').set({ status: 'PROCESSING' }).where('id', '=', next.message_id).execute();
  await hashQuestion(queries, next.message_id);
  return {
    messageId: next.message_id,
    conversationId,
    userId: next.user_id,
    epoch,
    request: JSON.parse(next.request) as TurnRequest,
  };
}

/** What was sent while the answer before it was being made gets its path hashes when that answer has ended. */
async function hashQuestion(queries: WriteQueries, answerId: string): Promise<void> {
  const answer = await queries.selectFrom('messages').select('parent_id').where('id', '=', answerId).executeTakeFirst();
  const unhashed: Pick<MessagesTable, 'id' | 'content' | 'role' | 'tools' | 'metadata'>[] = [];
  let hash: string | null = null;
  for (let id = answer?.parent_id ?? null; id !== null; ) {
    const row: Pick<MessagesTable, 'id' | 'parent_id' | 'content' | 'role' | 'tools' | 'metadata' | 'path_hash'> | undefined = await queries
      .selectFrom('messages')
      .select(['id', 'parent_id', 'content', 'role', 'tools', 'metadata', 'path_hash'])
      .where('id', '=', id)
      .executeTakeFirst();
    hash = row?.path_hash ?? null;
    // An answer that said nothing has no hash, and neither has what follows it.
    if (!row || hash !== null || row.role === 'assistant') break;
    unhashed.push(row);
    id = row.parent_id;
  }
  for (const row of unhashed.reverse()) {
    if (hash === null) return;
    hash = nextHash(hash, row.role, row.content, row.tools, picturesOf(row));
    await queries.updateTable('messages').set({ path_hash: hash }).where('id', '=', row.id).execute();
  }
}
