import { ParleyError } from '../../base/errors.ts';
import type { UsageTable } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import { estimatePrompt, estimateTokens, type EndedCall } from '../budgets/index.ts';
import { langchainId, type Caller, type ReplyEvent, type Target } from '../models/index.ts';
import { drawUnstored } from './pictures/drawing.ts';
import type { ConversationParts } from './parts.ts';
import { reserveCall, spenderOf } from './figures/spending.ts';
import { isTokenCount, ReplyMeasurement } from './turns/measurement.ts';
import type { Conversations } from './contract.ts';
import { recordCall } from './figures/recording.ts';
import { usageRow } from './figures/usage-row.ts';
import { createUsageWriter } from './figures/usage-writer.ts';

/** Calls that are not kept: nothing of what was said is stored, only a row of what it used. */
export function createUnstored(parts: ConversationParts): UnstoredCalls {
  const usage = createUsageWriter(parts);
  const running = new Set<RunningCall>();
  return {
    running,
    flush: usage.flush,
    async answerUnstored(viewer, request, signal) {
      const caller = { userId: viewer.userId, role: viewer.role };
      const isInner = viewer.via === 'call-back';
      const target = await (request.target ?? (isInner ? innerTarget(parts, request.model, caller) : parts.models.resolve(request.model, caller)));
      const { model: _, target: _ready, messages, dialect, ...rest } = request;
      // What is a part of another call is paid and counted there.
      const reservation = isInner ? null : await reserveCall(parts, spenderOf(viewer), () => ({
        model: target.id, tokensIn: estimatePrompt(messages, request.tools), tokensOut: request.maxTokens ?? null,
      }));
      // A signal of its own, so that a stopping server can end it, too.
      const stop = new AbortController();
      const unread = freeUnread(reservation, usage.add);
      const abort = (): void => {
        stop.abort(signal.reason);
        unread.free();
      };
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
      const ended = Promise.withResolvers<void>();
      const call: RunningCall = { ended: ended.promise, stop: () => stop.abort() };
      const begin = (): void => {
        unread.begin();
        running.add(call);
      };
      const end = (): void => {
        signal.removeEventListener('abort', abort);
        running.delete(call);
        ended.resolve();
      };
      const reply = parts.models.reply(target, { ...rest, messages }, caller, stop.signal);
      return { model: target.id, events: measured(parts, reply, usage.add, { viewer, target, signal: stop.signal, dialect, reservation, begin, end }) };
    },
    async embedUnstored(viewer, request, signal) {
      const caller = { userId: viewer.userId, role: viewer.role };
      const target = await parts.models.resolve(request.model, caller);
      const reservation = await reserveCall(parts, spenderOf(viewer), () => ({
        model: target.id, tokensIn: request.texts.reduce((tokens, text) => tokens + estimateTokens(text), 0), tokensOut: 0,
      }));
      const began = parts.clock.monotonic();
      const note = (outcome: UsageTable['outcome'], tokensIn: number | null): void => {
        const cost = parts.models.cost(target, tokensIn, 0);
        const row = { ...usageRow(parts, viewer, request.dialect, target.id), kind: 'embedding' as const, tokens_in: tokensIn, cost_micros: cost, duration_ms: Math.round(parts.clock.monotonic() - began), outcome };
        usage.add({ reservation, usage: row, tokensSaid: 0 });
        recordCall(parts, outcome, row.duration_ms, null);
      };
      try {
        const result = await parts.models.embed(target, request.texts, caller, signal, request.dimensions);
        note('DELIVERED', isTokenCount(result.tokensIn) ? result.tokensIn : null);
        return { ...result, model: target.id };
      } catch (error) {
        note(signal.aborted ? 'CANCELLED' : 'FAILED', null);
        throw error;
      }
    },
    drawUnstored: (...given) => drawUnstored(parts, usage.add, ...given),
  };
}

/**
 * The model that another call asks for by calling back: that very one, and nothing in its place.
 * @throws {ParleyError} as `Models.resolve`; `invalid_request` for one that would call back again
 */
async function innerTarget({ models }: ConversationParts, name: string | null, caller: Caller): Promise<Target> {
  const target = await models.resolve(name, caller);
  if (target.provider === langchainId) throw new ParleyError('invalid_request', { message: 'LangChain cannot be asked through LangChain.', parameter: 'model' });
  return { ...target, isExclusive: true };
}

/** How long a reply may stay unread before what was reserved for it is given back, milliseconds. */
const unreadMs = 10_000;

/** Gives back what was reserved for a reply that nobody begins to read: it would never be settled. */
function freeUnread(reservation: string | null, add: (ended: EndedCall) => void): { begin(): void; free(): void } {
  if (reservation === null) return { begin: () => undefined, free: () => undefined };
  let isOpen = true;
  const begin = (): void => {
    isOpen = false;
    clearTimeout(timer);
  };
  const free = (): void => {
    if (isOpen) add({ reservation, usage: null, tokensSaid: 0 });
    begin();
  };
  const timer = setTimeout(free, unreadMs).unref();
  return { begin, free };
}

/** A call whose answer is being read. */
export interface RunningCall {
  readonly ended: Promise<void>;
  /** Ends it as cancelled. */
  stop(): void;
}

export interface UnstoredCalls extends Pick<Conversations, 'answerUnstored' | 'embedUnstored' | 'drawUnstored'> {
  readonly running: ReadonlySet<RunningCall>;
  /** Resolves when the usage of all calls that have ended is stored. */
  flush(): Promise<void>;
}

interface UnstoredCall {
  viewer: Viewer;
  target: Target;
  signal: AbortSignal;
  dialect: string;
  reservation: string | null;
  begin: () => void;
  end: () => void;
}

async function* measured(parts: ConversationParts, reply: AsyncIterable<ReplyEvent[]>, add: (ended: EndedCall) => void, call: UnstoredCall): AsyncGenerator<ReplyEvent[]> {
  const { clock, models, metrics } = parts;
  const measurement = new ReplyMeasurement(clock);
  call.begin();
  try {
    for await (const batch of reply) {
      measurement.take(batch);
      yield batch;
    }
  } finally {
    measurement.close({ error: { code: 'cancelled', message: 'Cancelled.', serviceFault: false } });
    const { end, usage, timeToFirstTokenMs } = measurement;
    const failed = end && 'error' in end ? end.error : null;
    const outcome = !failed ? 'DELIVERED' : failed.code === 'cancelled' || call.signal.aborted ? 'CANCELLED' : 'FAILED';
    if (call.viewer.via !== 'call-back') {
      metrics.turns.inc({ provider: call.target.provider, outcome });
      if (timeToFirstTokenMs !== null) metrics.firstToken.observe({ provider: call.target.provider }, timeToFirstTokenMs / 1000);
      const { tokensIn, tokensOut } = usage;
      const model = measurement.spokenModel ?? call.target.id;
      const row = {
        ...usageRow(parts, call.viewer, call.dialect, model),
        tokens_in: tokensIn ?? null,
        tokens_out: tokensOut ?? null,
        cost_micros: models.cost({ id: model }, tokensIn, tokensOut, usage.tokensCached),
        duration_ms: measurement.durationMs,
        time_to_first_token_ms: timeToFirstTokenMs === null ? null : Math.round(timeToFirstTokenMs),
        outcome,
      } as const;
      add({ reservation: call.reservation, usage: row, tokensSaid: tokensOut === undefined ? saidTokens(measurement) : 0 });
      recordCall(parts, outcome, row.duration_ms, row.time_to_first_token_ms);
    }
    call.end();
  }
}

function saidTokens({ text, reasoning, toolCalls }: ReplyMeasurement): number {
  return estimateTokens(text + reasoning + (toolCalls.length > 0 ? JSON.stringify(toolCalls) : ''));
}
