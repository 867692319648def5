import type { TurnsTable } from '../../base/storage/index.ts';
import { lockConversation } from './access.ts';
import type { ConversationParts } from './parts.ts';
import { liveTexts } from './reading.ts';
import { endTurn, promoteNext, type Outcome } from './turns/ending.ts';
import { heartbeatMs, leaseMs, type HeldTurn, type TurnRequest } from './turns/request.ts';

/**
 * What a crash leaves behind is put in order: a turn whose owner is dead becomes INTERRUPTED with its text kept, and
 * waiting turns go on. On SQLite one server holds the data folder, so every turn found at its start is dead at once;
 * on PostgreSQL a turn is dead when its lease has run out by the database's clock.
 */
export function createRecovery(parts: ConversationParts): { start(): Promise<void>; stop(): void } {
  const { storage, clock, log, runner, instanceId } = parts;
  let timer: NodeJS.Timeout | undefined;

  async function interrupt(turn: TurnsTable): Promise<void> {
    const ended = await storage.write(async (queries) => {
      await lockConversation(storage, queries, turn.conversation_id);
      // Takes the lease first, so that an owner who wakes up again writes nothing more.
      const epoch = turn.epoch + 1;
      const taken = await queries
        .updateTable('turns')
        .set({ epoch, owner: instanceId })
        .where('message_id', '=', turn.message_id)
        .where('epoch', '=', turn.epoch)
        .where('state', '=', 'RUNNING')
        .executeTakeFirst();
      if (Number(taken.numUpdatedRows) === 0) return null;
      const live = (await liveTexts(queries, [turn.message_id])).get(turn.message_id) ?? { text: '', reasoning: '', seq: 0 };
      const row = await queries.selectFrom('messages').select('model').where('id', '=', turn.message_id).executeTakeFirst();
      const held: HeldTurn = { messageId: turn.message_id, conversationId: turn.conversation_id, userId: turn.user_id, epoch, request: JSON.parse(turn.request) as TurnRequest };
      const outcome = interrupted(live.text, live.reasoning, row?.model ?? null);
      const context = { now: clock.now(), databaseNow: await storage.now(), instanceId, observers: [], addJob: parts.jobs.add, promote: true };
      return endTurn(queries, held, live.seq + 1, outcome, context);
    });
    if (!ended?.written) return;
    parts.metrics.turns.inc({ provider: 'none', outcome: 'INTERRUPTED' });
    parts.bus.publish(`turn:${turn.message_id}`, { type: 'turn' });
    parts.bus.publish(`conversation:${turn.conversation_id}`, { type: 'turn_ended', messageId: turn.message_id });
    if (ended.next) begin(ended.next);
  }

  function begin(turn: HeldTurn): void {
    runner.begin(turn);
    parts.bus.publish(`conversation:${turn.conversationId}`, { type: 'turn', messageId: turn.messageId });
  }

  /** Conversations with waiting turns and none that runs: their instance died between two turns. */
  async function beginWaiting(): Promise<void> {
    const waiting = await storage.read
      .selectFrom('turns')
      .select('conversation_id')
      .distinct()
      .where('conversation_id', 'not in', (builder) => builder.selectFrom('turns').select('conversation_id').where('state', '=', 'RUNNING'))
      .execute();
    for (const { conversation_id: conversationId } of waiting) {
      const databaseNow = await storage.now();
      const next = await storage.write(async (queries) => {
        await lockConversation(storage, queries, conversationId);
        return promoteNext(queries, conversationId, instanceId, databaseNow);
      });
      if (next) begin(next);
    }
  }

  async function dead(): Promise<TurnsTable[]> {
    const running = storage.read.selectFrom('turns').selectAll().where('state', '=', 'RUNNING');
    if (storage.engine === 'sqlite') return running.where('owner', '!=', instanceId).execute();
    return running.where('lease_until', '<', await storage.now()).execute();
  }

  async function heartbeat(): Promise<void> {
    if (storage.engine === 'postgres' && runner.running.size > 0) {
      const until = (await storage.now()) + leaseMs;
      await storage.write((queries) => queries.updateTable('turns').set({ lease_until: until }).where('owner', '=', instanceId).where('state', '=', 'RUNNING').execute());
    }
    await cancelRequested();
    for (const turn of await dead()) await interrupt(turn);
    await beginWaiting();
  }

  /** Turns of this instance that were cancelled through another one. */
  async function cancelRequested(): Promise<void> {
    if (storage.engine === 'sqlite' || runner.running.size === 0) return;
    const rows = await storage.read.selectFrom('turns').select('message_id').where('owner', '=', instanceId).where('cancel_requested', '=', 1).execute();
    for (const row of rows) runner.running.get(row.message_id)?.stop('cancelled');
  }

  function schedule(): void {
    timer = setTimeout(() => {
      void heartbeat()
        .catch((error: unknown) => log.error({ err: error }, 'looking after turns failed'))
        .finally(() => {
          if (timer) schedule();
        });
    }, heartbeatMs);
    timer.unref();
  }

  return {
    async start() {
      for (const turn of await dead()) await interrupt(turn);
      await beginWaiting();
      schedule();
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

function interrupted(text: string, reasoning: string, model: string | null): Outcome {
  return {
    status: 'INTERRUPTED',
    content: text,
    reasoning: reasoning || null,
    tools: null,
    model,
    tokens_in: null,
    tokens_out: null,
    tokens_reasoning: null,
    tokens_cached: null,
    cost_micros: null,
    time_to_first_token_ms: null,
    duration_ms: null,
    finish_reason: null,
    confidence: null,
    error_code: null,
    error_message: null,
  };
}
