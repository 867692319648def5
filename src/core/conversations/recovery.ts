import type { TurnsTable, WriteQueries } from '../../base/storage/index.ts';
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
export class Recovery {
  private readonly parts: ConversationParts;
  private timer: NodeJS.Timeout | undefined;

  constructor(parts: ConversationParts) {
    this.parts = parts;
  }

  async start(): Promise<void> {
    for (const turn of await this.dead()) await this.interrupt(turn);
    await this.beginWaiting();
    this.schedule();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private async interrupt(turn: TurnsTable): Promise<void> {
    const databaseNow = await this.parts.storage.now();
    const ended = await this.parts.storage.write(async (queries) => {
      await lockConversation(this.parts.storage, queries, turn.conversation_id);
      // Takes the lease first, so that an owner who wakes up again writes nothing more.
      const epoch = turn.epoch + 1;
      const taken = await queries
        .updateTable('turns')
        .set({ epoch, owner: this.parts.instanceId })
        .where('message_id', '=', turn.message_id)
        .where('epoch', '=', turn.epoch)
        .where('state', '=', 'RUNNING')
        .executeTakeFirst();
      if (Number(taken.numUpdatedRows) === 0) return null;
      const live = (await liveTexts(queries, [turn.message_id])).get(turn.message_id) ?? { text: '', reasoning: '', seq: 0 };
      const row = await queries.selectFrom('messages').select('model').where('id', '=', turn.message_id).executeTakeFirst();
      const held: HeldTurn = { messageId: turn.message_id, conversationId: turn.conversation_id, userId: turn.user_id, epoch, request: JSON.parse(turn.request) as TurnRequest };
      // An answer that was to go on behind a kept text, and never began to, keeps it.
      const kept = live.text === '' ? await keptText(queries, held.request.continues) : '';
      const seq = live.seq + (kept === '' ? 0 : 1);
      if (kept !== '') await queries.insertInto('turn_log').values({ message_id: turn.message_id, seq, kind: 'text', body: kept, text_offset: 0 }).execute();
      const outcome = interrupted(live.text + kept, live.reasoning, row?.model ?? null);
      const context = { now: this.parts.clock.now(), databaseNow, instanceId: this.parts.instanceId, observers: [], addJob: async () => null, promote: true };
      return endTurn(queries, held, seq + 1, outcome, context);
    });
    if (!ended?.written) return;
    this.parts.metrics.turns.inc({ provider: 'none', outcome: 'INTERRUPTED' });
    this.parts.bus.publish(`turn:${turn.message_id}`, { type: 'turn' });
    this.parts.bus.publish(`conversation:${turn.conversation_id}`, { type: 'turn_ended', messageId: turn.message_id });
    if (ended.next) this.begin(ended.next);
  }

  private begin(turn: HeldTurn): void {
    this.parts.runner.begin(turn);
    this.parts.bus.publish(`conversation:${turn.conversationId}`, { type: 'turn', messageId: turn.messageId });
  }

  /** Conversations with waiting turns and none that runs: their instance died between two turns. */
  private async beginWaiting(): Promise<void> {
    const waiting = await this.parts.storage.read
      .selectFrom('turns')
      .select('conversation_id')
      .distinct()
      .where('conversation_id', 'not in', (builder) => builder.selectFrom('turns').select('conversation_id').where('state', '=', 'RUNNING'))
      .execute();
    for (const { conversation_id: conversationId } of waiting) {
      const databaseNow = await this.parts.storage.now();
      const next = await this.parts.storage.write(async (queries) => {
        await lockConversation(this.parts.storage, queries, conversationId);
        return promoteNext(queries, conversationId, this.parts.instanceId, databaseNow);
      });
      if (next) this.begin(next);
    }
  }

  private async dead(): Promise<TurnsTable[]> {
    const running = this.parts.storage.read.selectFrom('turns').selectAll().where('state', '=', 'RUNNING');
    if (this.parts.storage.engine === 'sqlite') return running.where('owner', '!=', this.parts.instanceId).execute();
    return running.where('lease_until', '<', await this.parts.storage.now()).execute();
  }

  private async heartbeat(): Promise<void> {
    if (this.parts.storage.engine === 'postgres' && this.parts.runner.running.size > 0) {
      const until = (await this.parts.storage.now()) + leaseMs;
      // Only what really runs: a turn that was given to this instance in a commit it never heard of must run out.
      const running = [...this.parts.runner.running.keys()];
      await this.parts.storage.write((queries) =>
        queries.updateTable('turns').set({ lease_until: until }).where('owner', '=', this.parts.instanceId).where('message_id', 'in', running).where('state', '=', 'RUNNING').execute(),
      );
    }
    await this.cancelRequested();
    for (const turn of await this.dead()) await this.interrupt(turn);
    await this.beginWaiting();
  }

  /** Turns of this instance that were cancelled through another one. */
  private async cancelRequested(): Promise<void> {
    if (this.parts.storage.engine === 'sqlite' || this.parts.runner.running.size === 0) return;
    const rows = await this.parts.storage.read.selectFrom('turns').select('message_id').where('owner', '=', this.parts.instanceId).where('cancel_requested', '=', 1).execute();
    for (const row of rows) this.parts.runner.running.get(row.message_id)?.stop('cancelled');
  }

  private schedule(): void {
    this.timer = setTimeout(() => {
      void this.heartbeat()
        .catch((error: unknown) => this.parts.log.error({ err: error }, 'looking after turns failed'))
        .finally(() => {
          if (this.timer) this.schedule();
        });
    }, heartbeatMs);
    this.timer.unref();
  }
}

async function keptText(queries: WriteQueries, continues: string | undefined): Promise<string> {
  if (continues === undefined) return '';
  const kept = await queries.selectFrom('messages').select('content').where('id', '=', continues).executeTakeFirst();
  return kept?.content ?? '';
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
