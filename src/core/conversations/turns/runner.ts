import { asParleyError } from '../../../base/errors.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Bus } from '../../../base/events/index.ts';
import type { Jobs, NewJob } from '../../../base/jobs/index.ts';
import type { Log, Metrics, Tracer } from '../../../base/observability/index.ts';
import { isUniqueViolation, type MessagesTable, type Storage, type WriteQueries } from '../../../base/storage/index.ts';
import type { Budgets } from '../../budgets/index.ts';
import type { Caller, Models, ReplyError, ReplyEvent, Target } from '../../models/index.ts';
import { lockConversation } from '../access.ts';
import { recordCall } from '../figures/recording.ts';
import { gatherContext, type ContextSource } from '../context.ts';
import { liveTexts } from '../reading.ts';
import { createConfidentReplies, type ConfidentReplies } from './confidence.ts';
import { noteContext } from './context-note.ts';
import { endBody, endTurn, noteLostTurn, type Outcome } from './ending.ts';
import type { TurnFeed } from './feed.ts';
import { newJournalEntry, type Journal, type JournalEntry } from './journal.ts';
import { giveBackTurn } from './leases.ts';
import { ReplyMeasurement, type ReplyEnd } from './measurement.ts';
import { patiently } from './patience.ts';
import { instructionsOf, turnsTopic, withDefaults, type HeldTurn, type TurnQuestion } from './request.ts';

export interface RunnerParts {
  storage: Storage;
  models: Models;
  jobs: Jobs;
  budgets: Budgets;
  bus: Bus;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  tracer?: Tracer;
  instanceId: string;
  journal: Journal;
  sources: readonly ContextSource[];
  /** Jobs to be done when an answer has ended, made in its last transaction. */
  observers: (turn: HeldTurn, outcome: Outcome) => NewJob[];
}

/** Why a running turn is stopped from outside. */
export type StopReason = 'cancelled' | 'interrupted' | 'deleted';

/** A turn running in this process. */
export interface RunningTurn {
  readonly turn: HeldTurn;
  readonly feed: TurnFeed;
  /** Resolves when the turn has ended and its end is committed (or it was lost). */
  readonly ended: Promise<void>;
  stop(reason: StopReason): void;
}

/** Pending text, in UTF-16 units, at which the model is kept waiting until the database has caught up. */
const mostPending = 256 * 1024;

/** Runs turns whose lease this instance holds. The steps of a turn's life stand in `run`. */
export class TurnRunner {
  readonly running = new Map<string, RunningTurn>();
  private readonly parts: RunnerParts;
  private readonly confident: ConfidentReplies;

  constructor(parts: RunnerParts) {
    this.parts = parts;
    this.confident = createConfidentReplies(parts.models);
  }

  /**
   * Begins a turn; it goes on whatever its client does. While the server stops, the turn goes back to those that wait.
   * @param target the model, and `question` what it answers, when they are at hand; else they are looked up
   */
  begin(turn: HeldTurn, target?: Target, question?: TurnQuestion): void {
    if (this.draining) return void this.giveBack(turn);
    if (this.running.has(turn.messageId)) return;
    const stop = new AbortController();
    const entry = newJournalEntry(turn.messageId, turn.epoch, (reason) => {
      if (!reason.fenced) this.parts.log.error({ err: reason.error, message: turn.messageId }, 'events of a turn could not be stored');
      stop.abort(reason.fenced ? 'deleted' : 'unstored');
    });
    const ended = this.run(turn, { target, question }, entry, stop.signal).catch((error: unknown) => {
      // Its lease runs out, and its readers go on with the rows.
      this.parts.log.error({ err: error, message: turn.messageId }, 'a turn broke off');
      this.forget(turn, entry);
    });
    const running: RunningTurn = { turn, feed: entry.feed, ended: ended.then(() => undefined), stop: (reason) => stop.abort(reason) };
    this.running.set(turn.messageId, running);
    this.parts.metrics.turnsRunning.set(this.running.size);
  }

  /** A request that was under way when the server began to stop: another instance, or the next start, makes the answer. */
  private async giveBack(turn: HeldTurn): Promise<void> {
    const { storage, bus, log } = this.parts;
    try {
      if (!(await giveBackTurn(storage, turn))) return;
      bus.publish(turnsTopic, { type: 'waiting' });
      bus.publish(`conversation:${turn.conversationId}`, { type: 'turn', messageId: turn.messageId });
    } catch (error) {
      log.error({ err: error, message: turn.messageId }, 'a turn could not be given back; its lease runs out');
    }
  }

  private async run(turn: HeldTurn, known: { target?: Target; question?: TurnQuestion }, entry: JournalEntry, signal: AbortSignal): Promise<void> {
    const began = this.parts.clock.monotonic();
    const measurement = { current: new ReplyMeasurement(this.parts.clock) };
    let target = known.target;
    /** The text of a continued answer that is not in the log yet. */
    let kept = '';
    try {
      const question = known.question ?? (await this.patiently(signal, () => this.question(turn)));
      if (!question) return this.forget(turn, entry);
      kept = question.prefill;
      const caller: Caller = { userId: turn.userId, role: question.senderRole };
      const asked = (target ??= await this.patiently(signal, () => this.parts.models.resolve(turn.request.model, caller)));
      const gather = (): ReturnType<typeof gatherContext> =>
        gatherContext({ ...question, historyTokens: turn.request.historyTokens, question: question.row, conversationId: turn.conversationId, target: asked, maxTokens: question.sampling.maxTokens, parties: turn.request.parties }, this.parts.sources, this.parts.models);
      const { tracer } = this.parts;
      const { messages, reports } = await this.patiently(signal, () => (tracer ? tracer.span('chat', 'gather context', gather) : gather()));
      if (turn.request.notesContext) await this.patiently(signal, () => noteContext(this.parts.storage, turn.messageId, reports));
      measurement.current = new ReplyMeasurement(this.parts.clock, question.prefill, question.sampling.logprobs !== undefined);
      this.parts.journal.add(entry, [{ kind: 'text', text: question.prefill }]);
      kept = '';
      const { tools, toolChoice, whole } = turn.request;
      const replies = turn.request.confidence ? this.confident : this.parts.models;
      const reply = replies.reply(asked, { ...question.sampling, messages, tools, toolChoice, whole, prefill: question.prefill || undefined }, caller, signal);
      await this.collect(reply, asked, measurement.current, entry, signal);
    } catch (error) {
      // It failed before it began: a continued answer keeps its text all the same.
      if (kept !== '') {
        measurement.current = new ReplyMeasurement(this.parts.clock, kept);
        this.parts.journal.add(entry, [{ kind: 'text', text: kept }]);
      }
      measurement.current.close({ error: replyErrorOf(error) });
    }
    await this.parts.journal.flush();
    await this.finish(turn, { target, began }, entry, measurement.current, signal);
  }

  /** Reads what the turn needs, again for a while when the database is away: its lease and its budget wait as well. */
  private patiently<Result>(signal: AbortSignal, read: () => Promise<Result>): Promise<Result> {
    return patiently(this.parts.clock, () => !signal.aborted && !this.closed, read);
  }

  /** Reads the reply to its end, or until the turn is stopped: then it does not wait for the model to notice. */
  private async collect(reply: AsyncIterable<ReplyEvent[]>, target: Target, measurement: ReplyMeasurement, entry: JournalEntry, signal: AbortSignal): Promise<void> {
    const { journal } = this.parts;
    let hasStarted = false;
    let stop: () => void = () => undefined;
    signal.addEventListener('abort', () => stop(), { once: true });
    const iterator = reply[Symbol.asyncIterator]();
    while (!measurement.end && !signal.aborted) {
      // One promise for each wait: racing against one that lives as long as the turn would keep all of them.
      const result = await new Promise<IteratorResult<ReplyEvent[]> | null>((resolve, reject) => {
        stop = () => resolve(null);
        iterator.next().then(resolve, reject);
      });
      if (result === null) break;
      if (result.done) break;
      const isFirst = measurement.timeToFirstTokenMs === null;
      const events = measurement.take(result.value);
      // Only now is it known who speaks: another model may have taken over.
      if (!hasStarted) journal.add(entry, [{ kind: 'start', model: measurement.spokenModel ?? target.id }]);
      hasStarted = true;
      journal.add(entry, events, isFirst && measurement.timeToFirstTokenMs !== null);
      if (entry.pendingLength > mostPending) await journal.flush();
    }
    const rest = measurement.close({ error: { code: signal.aborted ? 'cancelled' : 'provider_error', message: signal.aborted ? 'Cancelled.' : 'The model service ended its answer without saying so.', serviceFault: !signal.aborted } });
    journal.add(entry, rest);
    void iterator.return?.().catch(() => undefined);
  }

  /** What the turn answers, read when it begins: earlier turns of the conversation have ended by then. */
  private async question(turn: HeldTurn): Promise<TurnQuestion | null> {
    const { read } = this.parts.storage;
    const settings = await read
      .selectFrom('messages as answer')
      .innerJoin('conversations', 'conversations.id', 'answer.conversation_id')
      .innerJoin('users', (join) => join.on('users.id', '=', turn.userId))
      .leftJoin('messages as kept', (join) => join.on('kept.id', '=', turn.request.continues ?? ''))
      .select(['answer.parent_id', 'conversations.system_prompt', 'conversations.persona', 'conversations.temperature', 'conversations.max_tokens', 'users.role', 'kept.content as kept'])
      .where('answer.id', '=', turn.messageId)
      .executeTakeFirst();
    if (!settings?.parent_id) return null;
    return {
      row: await read.selectFrom('messages').selectAll().where('id', '=', settings.parent_id).executeTakeFirstOrThrow(),
      ...instructionsOf(turn.request.instructions, settings),
      senderRole: settings.role,
      prefill: settings.kept ?? '',
      sampling: withDefaults(turn.request.sampling, settings),
    };
  }

  /** Stores the end. What cannot be stored now (a full disk) is tried again until it can or the server stops. */
  private async finish(turn: HeldTurn, { target, began }: { target: Target | undefined; began: number }, entry: JournalEntry, measurement: ReplyMeasurement, signal: AbortSignal): Promise<void> {
    const { storage, jobs, budgets, instanceId, metrics } = this.parts;
    const outcome = await this.outcome(target, measurement, signal);
    const spent = { budgets, said: saidBy(measurement) };
    if (signal.aborted && signal.reason === 'deleted') return this.lose(turn, entry, outcome, spent);
    const observers = this.parts.observers(turn, outcome);
    const { end } = measurement;
    const retryAfterMs = end && 'error' in end ? end.error.retryAfterMs : undefined;
    let seq = entry.feed.seq + 1;
    for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 1000)) {
      try {
        const databaseNow = await storage.now();
        const context = { now: databaseNow, databaseNow, instanceId, observers, addJob: jobs.add.bind(jobs), retryAfterMs, promote: !this.draining, ...spent };
        const ended = await storage.write(async (queries) => {
          await lockConversation(storage, queries, turn.conversationId);
          if (entry.lost) seq = await keepOnlyStored(queries, turn.messageId, outcome);
          return endTurn(queries, turn, seq, outcome, context);
        });
        if (!ended.written) return this.lose(turn, entry, outcome, spent);
        // After a failed append nobody here knows which rows there are: readers go on with the rows.
        if (!entry.lost) entry.feed.push([{ seq, kind: 'end', ...endBody(outcome, retryAfterMs) }]);
        this.running.delete(turn.messageId);
        entry.feed.wake();
        metrics.turnsRunning.set(this.running.size);
        this.count(target, outcome, began);
        this.parts.bus.publish(`turn:${turn.messageId}`, { type: 'turn', seq });
        this.parts.bus.publish(`conversation:${turn.conversationId}`, { type: 'turn_ended', messageId: turn.messageId });
        if (ended.next) this.beginNext(ended.next);
        else if (this.draining) this.parts.bus.publish(turnsTopic, { type: 'waiting' });
        return;
      } catch (error) {
        if (this.closed) return this.forget(turn, entry);
        // More is stored than was shown: the rows say what comes next.
        if (isUniqueViolation(error)) entry.lost = true;
        this.parts.log.error({ err: error, message: turn.messageId }, 'the end of a turn could not be stored; trying again');
        await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
      }
    }
  }

  /** Set when the server begins to stop: waiting turns are left to the next start. */
  draining = false;
  /** Set when the server has stopped: ends that cannot be stored are left to the next start. */
  closed = false;

  private beginNext(next: HeldTurn): void {
    this.begin(next);
    this.parts.bus.publish(`conversation:${next.conversationId}`, { type: 'turn', messageId: next.messageId });
  }

  /** The turn is not ours any more. What the model did counts all the same. */
  private async lose(turn: HeldTurn, entry: JournalEntry, outcome: Outcome, spent: { budgets: Budgets; said: string }): Promise<void> {
    const { storage, log } = this.parts;
    try {
      const now = await storage.now();
      await storage.write((queries) => noteLostTurn(queries, turn, outcome, { ...spent, now }));
    } catch (error) {
      log.warn({ err: error, message: turn.messageId }, 'what a deleted answer used could not be stored');
    }
    this.forget(turn, entry);
  }

  private forget(turn: HeldTurn, entry: JournalEntry): void {
    this.running.delete(turn.messageId);
    this.parts.metrics.turnsRunning.set(this.running.size);
    entry.feed.wake();
  }

  private async outcome(target: Target | undefined, measurement: ReplyMeasurement, signal: AbortSignal): Promise<Outcome> {
    const { end, usage, toolCalls } = measurement;
    const failed = end && 'error' in end ? end.error : null;
    const reason = end && 'reason' in end ? end.reason : null;
    const model = measurement.spokenModel ?? target?.id ?? null;
    const counted = await this.countedUsage(target, measurement);
    return {
      status: statusOf(end, signal),
      content: measurement.text,
      reasoning: measurement.reasoning || null,
      tools: toolCalls.length > 0 ? JSON.stringify(toolCalls.filter(Boolean)) : null,
      model,
      tokens_in: usage.tokensIn ?? null,
      tokens_out: counted,
      tokens_reasoning: usage.tokensReasoning ?? null,
      tokens_cached: usage.tokensCached ?? null,
      cost_micros: model === null ? null : this.parts.models.cost({ id: model }, usage.tokensIn, counted, usage.tokensCached),
      time_to_first_token_ms: measurement.timeToFirstTokenMs === null ? null : Math.round(measurement.timeToFirstTokenMs),
      duration_ms: target ? measurement.durationMs : null,
      finish_reason: reason,
      confidence: measurement.confidence,
      ...errorColumns(failed, signal),
    };
  }

  /** Tokens of the answer: as the service says, else counted where the model's own tokenizer is at hand, else null. */
  private async countedUsage(target: Target | undefined, measurement: ReplyMeasurement): Promise<number | null> {
    if (measurement.usage.tokensOut !== undefined) return measurement.usage.tokensOut;
    if (!target || measurement.ownText === '') return null;
    const counted = await this.parts.models.countTokens(target, measurement.ownText).catch(() => null);
    return counted?.exact ? counted.tokens : null;
  }

  private count(target: Target | undefined, outcome: Outcome, began: number): void {
    const provider = target?.provider ?? 'none';
    const { clock, metrics } = this.parts;
    recordCall(this.parts, outcome.status, outcome.duration_ms, outcome.time_to_first_token_ms);
    const now = clock.monotonic();
    metrics.recordings.chat.add(now, now - began, outcome.status === 'FAILED' || outcome.status === 'INTERRUPTED');
    metrics.turns.inc({ provider, outcome: outcome.status });
    if (outcome.time_to_first_token_ms !== null) metrics.firstToken.observe({ provider }, outcome.time_to_first_token_ms / 1000);
    if (outcome.tokens_in !== null) metrics.tokens.inc({ provider, direction: 'in' }, outcome.tokens_in);
    if (outcome.tokens_out !== null) metrics.tokens.inc({ provider, direction: 'out' }, outcome.tokens_out);
  }
}

/** Everything the model said, to estimate its tokens where it has no figure. */
function saidBy({ ownText, reasoning, toolCalls }: ReplyMeasurement): string {
  return ownText + reasoning + (toolCalls.length > 0 ? JSON.stringify(toolCalls) : '');
}

function statusOf(end: ReplyEnd | null, signal: AbortSignal): Outcome['status'] {
  if (signal.aborted && signal.reason === 'unstored') return 'FAILED';
  // Stopped when the model had finished already: the answer is whole.
  if (end && 'reason' in end) return 'DELIVERED';
  if (signal.aborted) return signal.reason === 'cancelled' ? 'CANCELLED' : 'INTERRUPTED';
  return end?.error.code === 'cancelled' ? 'CANCELLED' : 'FAILED';
}

function errorColumns(failed: ReplyError | null, signal: AbortSignal): Pick<Outcome, 'error_code' | 'error_message'> {
  if (signal.aborted && signal.reason === 'unstored') return { error_code: 'storage_unavailable', error_message: 'The answer could not be stored.' };
  if (!failed || signal.aborted) return { error_code: null, error_message: null };
  return { error_code: failed.code, error_message: failed.message };
}

function replyErrorOf(error: unknown): ReplyError {
  const known = asParleyError(error);
  return { code: known.code as ReplyError['code'], message: known.message, serviceFault: false };
}

/** After a failed append the rows are the truth: text that is not among them was never seen. Gives the seq of the end. */
async function keepOnlyStored(queries: WriteQueries, messageId: string, outcome: Pick<MessagesTable, 'content' | 'reasoning'>): Promise<number> {
  const stored = (await liveTexts(queries, [messageId])).get(messageId) ?? { text: '', reasoning: '', seq: 0 };
  outcome.content = stored.text;
  outcome.reasoning = stored.reasoning || null;
  return stored.seq + 1;
}
