import type { TurnsTable, WriteQueries } from '../../base/storage/index.ts';
import { lockConversation } from './access.ts';
import type { ConversationParts } from './parts.ts';
import { liveTexts } from './reading.ts';
import { endTurn, promoteNext, type Outcome } from './turns/ending.ts';
import { heldTurn, renewLeases, turnsOfOthers, turnsToLookAt } from './turns/leases.ts';
import { Repeating } from './turns/repeating.ts';
import { heartbeatMs, instanceTopic, turnsTopic, type HeldTurn } from './turns/request.ts';

/** Pause between two looks for turns that nobody runs, milliseconds; shorter where another instance may have died. */
const lookMs = { sqlite: 2000, postgres: 1000 };
/**
 * How long the database must have been there without a break before leases that ran out count, milliseconds: when it
 * comes back after a while, all have run out, and their owners need a moment to renew them. An instance that has just
 * started does not know how long it has been there.
 */
const steadyMs = 3000;
/** Turns that are interrupted side by side. */
const atOnce = 4;

/**
 * What a crash leaves behind is put in order: a turn whose owner is dead becomes INTERRUPTED with its text kept, and
 * waiting turns go on. On SQLite one server holds the data folder, so every turn found at its start is dead at once;
 * on PostgreSQL a turn is dead when its lease has run out by the database's clock.
 */
export class Recovery {
  private readonly parts: ConversationParts;
  private readonly looks: Repeating;
  private readonly heartbeats: Repeating;
  private unsubscribe: (() => void)[] = [];
  /** Since when the database has answered every time, by the clock that never jumps; null when it has not answered yet, or failed. */
  private steadySince: number | null = null;
  /** Turns that are said to run here and do not, as the last look found them. */
  private orphans = new Set<string>();

  constructor(parts: ConversationParts) {
    this.parts = parts;
    const failed = (error: unknown): void => {
      this.steadySince = null;
      parts.log.error({ err: error }, 'looking after turns failed');
    };
    this.looks = new Repeating(lookMs[parts.storage.engine], () => this.look(), failed);
    this.heartbeats = new Repeating(heartbeatMs, () => this.heartbeat(), failed);
  }

  async start(): Promise<void> {
    await this.look();
    this.looks.start();
    if (this.parts.storage.engine === 'sqlite') return;
    this.heartbeats.start();
    const { bus, instanceId } = this.parts;
    this.unsubscribe = [
      // Someone wants a turn of this instance cancelled, or its lease looked at.
      bus.subscribe(instanceTopic(instanceId), () => this.heartbeats.soon()),
      // Turns wait, and their instance is ending.
      bus.subscribe(turnsTopic, () => this.looks.soon()),
    ];
  }

  /** Takes up no more turns. Leases are still renewed: running turns have time to end. */
  async stopLooking(): Promise<void> {
    await this.looks.stop();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.unsubscribe.splice(0)) unsubscribe();
    await Promise.all([this.looks.stop(), this.heartbeats.stop()]);
  }

  /** Keeps the leases of what runs here, and stops what was cancelled through another instance or is no longer held. */
  private async heartbeat(): Promise<void> {
    const { storage, clock, instanceId, runner } = this.parts;
    // Only what really runs: a turn that was given to this instance in a commit it never heard of must run out.
    const running = [...runner.running.values()];
    if (running.length === 0) return;
    const renewed = await renewLeases(storage, clock, instanceId, running.map(({ turn }) => turn.messageId));
    for (const { turn, stop } of running) {
      const held = renewed.get(turn.messageId);
      if (held?.epoch !== turn.epoch) stop('deleted');
      else if (held.isCancelled) stop('cancelled');
    }
  }

  private async look(): Promise<void> {
    const { storage, clock, instanceId } = this.parts;
    if (storage.engine === 'sqlite') {
      await this.interruptAll(await turnsOfOthers(storage, instanceId));
    } else {
      const runningBefore = new Set(this.parts.runner.running.keys());
      const turns = await turnsToLookAt(storage, clock, instanceId);
      this.steadySince ??= clock.monotonic();
      const orphans = turns.filter((turn) => turn.owner === instanceId && !runningBefore.has(turn.message_id));
      await this.adopt(orphans);
      const isSteady = clock.monotonic() - this.steadySince >= steadyMs;
      if (isSteady) await this.interruptAll(turns.filter((turn) => turn.is_expired && !this.parts.runner.running.has(turn.message_id)));
    }
    await this.beginWaiting();
  }

  private async interruptAll(turns: readonly TurnsTable[]): Promise<void> {
    for (let first = 0; first < turns.length; first += atOnce) await Promise.all(turns.slice(first, first + atOnce).map((turn) => this.interruptOne(turn)));
  }

  /** One that cannot be interrupted now (a paused instance holds its rows) is no reason to leave the others. */
  private async interruptOne(turn: TurnsTable): Promise<void> {
    try {
      await this.interrupt(turn);
    } catch (error) {
      this.parts.log.error({ err: error, message: turn.message_id }, 'a turn of an instance that died could not be ended; trying again');
    }
  }

  /**
   * A turn that is said to run here and does not was given to this instance in a commit whose confirmation got lost. It
   * is begun, when nothing of it has been said; the second look makes sure that it is not just about to begin.
   */
  private async adopt(orphans: readonly TurnsTable[]): Promise<void> {
    const again = orphans.filter((turn) => this.orphans.has(turn.message_id));
    this.orphans = new Set(orphans.map((turn) => turn.message_id));
    for (const turn of again) {
      const said = await this.parts.storage.read.selectFrom('turn_log').select('seq').where('message_id', '=', turn.message_id).limit(1).executeTakeFirst();
      if (!said && !this.parts.runner.draining) this.begin(heldTurn(turn));
    }
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
      const held = heldTurn(turn, epoch);
      // An answer that was to go on behind a kept text, and never began to, keeps it.
      const kept = live.text === '' ? await keptText(queries, held.request.continues) : '';
      const seq = live.seq + (kept === '' ? 0 : 1);
      if (kept !== '') await queries.insertInto('turn_log').values({ message_id: turn.message_id, seq, kind: 'text', body: kept, text_offset: 0 }).execute();
      const said = live.reasoning + live.text.slice((await keptText(queries, held.request.continues)).length);
      const outcome = interrupted(live.text + kept, live.reasoning, row?.model ?? null);
      const context = { now: databaseNow, databaseNow, instanceId: this.parts.instanceId, observers: [], addJob: async () => null, promote: true, budgets: this.parts.budgets, said };
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
    for (const { conversation_id: conversationId } of waiting) await this.beginNextOf(conversationId);
  }

  private async beginNextOf(conversationId: string): Promise<void> {
    const { storage, instanceId, log } = this.parts;
    try {
      const databaseNow = await storage.now();
      const next = await storage.write(async (queries) => {
        await lockConversation(storage, queries, conversationId);
        return promoteNext(queries, conversationId, instanceId, databaseNow);
      });
      if (next) this.begin(next);
    } catch (error) {
      log.error({ err: error, conversation: conversationId }, 'a waiting turn could not be begun; trying again');
    }
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
