import { ParleyError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { systemClock } from '../../base/clock.ts';
import { createLocalBus, type Bus } from '../../base/events/index.ts';
import { createJobs } from '../../base/jobs/index.ts';
import { createMetrics, silentLog } from '../../base/observability/index.ts';
import type { Storage } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import type { ModelRequest, Models, ReplyEvent, Target } from '../models/index.ts';
import { createBudgets, type BudgetSettings } from '../budgets/index.ts';
import { createConversations } from './index.ts';
import type { TurnEvent } from './types.ts';

/** One call of the scripted model: the test decides, event by event, what it says and when. */
export interface ScriptedCall {
  request: Omit<ModelRequest, 'model'>;
  signal: AbortSignal;
  /** Says these events now. */
  say(...events: ReplyEvent[]): void;
  /** Says a text now. */
  text(text: string): void;
  /** Ends the answer. */
  finish(): void;
  /** Breaks the stream: what a provider must not do, but may. */
  throw(error: Error): void;
}

/** A model under the control of the test, in place of the registry. */
export interface ScriptedModels extends Models {
  /** The next call, as soon as it is made. */
  call(): Promise<ScriptedCall>;
  /** Calls made so far. */
  readonly calls: ScriptedCall[];
  /** Answers every later call at once with these words; null gives the calls to the test again. */
  answerWith(words: string[] | null): void;
  contextLength: number | null;
  /** Default null: not known. */
  seesPictures: boolean | null;
}

/** @param tokensOf how texts are counted; one token a word unless told */
export function scriptedModels(tokensOf = (text: string): number => text.split(/\s+/).filter(Boolean).length): ScriptedModels {
  const calls: ScriptedCall[] = [];
  const taken: ScriptedCall[] = [];
  const waiting: ((call: ScriptedCall) => void)[] = [];
  let automatic: string[] | null = null;
  const models: ScriptedModels = {
    name: 'scripted models',
    calls,
    contextLength: 100_000,
    seesPictures: null,
    call: () => {
      const next = calls[taken.length + waiting.length];
      if (next && waiting.length === 0) {
        taken.push(next);
        return Promise.resolve(next);
      }
      return new Promise((resolve) => waiting.push((call) => { taken.push(call); resolve(call); }));
    },
    answerWith: (words) => void (automatic = words),
    list: async () => [],
    hasProvider: (id) => id === 'scripted',
    loaded: () => [],
    instances: () => [],
    ready: async (target) => target,
    dismiss: () => undefined,
    openBatch: async () => null,
    mayAsk: async () => false,
    breaker: () => null,
    providers: async () => [],
    embed: async (_target, texts) => {
      if (texts.includes('fail')) throw new ParleyError('provider_error');
      return { vectors: texts.map(() => Float32Array.of(1, 0)), tokensIn: texts.length };
    },
    draw: async (_target, { count = 1, size = null }) => ({ pictures: Array.from({ length: count }, () => ({ url: onePixel, revisedPrompt: null })), size, tokensIn: null, tokensOut: null }),
    drawCost: (_target, { count = 1 }) => 40_000 * count,
    cost: () => 0,
    countTokens: async (_target, text) => ({ tokens: tokensOf(text), exact: true }),
    async resolve(name) {
      if (name === 'missing') throw new ParleyError('model_not_found');
      return { id: name ?? 'scripted/one', provider: 'scripted', model: 'one', contextLength: models.contextLength, isBuiltin: false, seesPictures: models.seesPictures } satisfies Target;
    },
    async *reply(_target, request, _caller, signal) {
      const queue: (ReplyEvent[] | Error)[] = [];
      let wake: () => void = () => undefined;
      const push = (item: ReplyEvent[] | Error): void => { queue.push(item); wake(); };
      const call: ScriptedCall = {
        request,
        signal,
        say: (...events) => push(events),
        text: (text) => push([{ type: 'text', text }]),
        finish: () => push([{ type: 'usage', usage: { tokensIn: 7, tokensOut: 3 } }, { type: 'finish', reason: 'stop' }]),
        throw: (error) => push(error),
      };
      calls.push(call);
      waiting.shift()?.(call);
      if (automatic) {
        for (const word of automatic) call.text(word);
        call.finish();
      }
      signal.addEventListener('abort', () => push([{ type: 'error', error: { code: 'cancelled', message: 'Cancelled.', serviceFault: false } }]), { once: true });
      for (;;) {
        while (queue.length > 0) {
          const item = queue.shift()!;
          if (item instanceof Error) throw item;
          yield item;
          if (item.some((event) => event.type === 'finish' || event.type === 'error')) return;
        }
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
  return models;
}

/** A user's row, and the viewer that stands for it. */
export async function addViewer(storage: Storage, username: string, role: Viewer['role'] = 'user'): Promise<Viewer> {
  const id = newId();
  await storage.write((queries) =>
    queries
      .insertInto('users')
      .values({ id, username, username_key: username, email: null, name: null, password_hash: null, role, tokens_valid_from: 0, last_conversation_number: 0, current_conversation_id: null, created_at: Date.now(), disabled_at: null })
      .execute(),
  );
  return { userId: id, username, role, scopes: ['read', 'write', 'chat'], via: 'internal', credentialId: null, expiresAt: null };
}

/** Conversations over this storage with a scripted model; started. */
export async function startConversations(storage: Storage, options: { models?: ScriptedModels; drainMs?: number; autoTitles?: 'first-message' | 'model'; trashDays?: number; bus?: Bus; budgets?: BudgetSettings; runsTurns?: boolean } = {}) {
  const log = silentLog();
  const metrics = createMetrics();
  const models = options.models ?? scriptedModels();
  const instanceId = newId();
  const jobs = createJobs({ storage, clock: systemClock, log, metrics, instanceId });
  const bus = options.bus ?? createLocalBus((error) => { throw error; });
  const budgets = createBudgets({ storage, models, bus, clock: systemClock, log, metrics, instanceId, settings: options.budgets ?? { perUser: [], unpriced: 'refuse' } });
  const conversations = createConversations({
    storage, models, jobs, bus, budgets, clock: systemClock, log, metrics, instanceId, runsTurns: options.runsTurns,
    settings: { drainMs: options.drainMs ?? 0, autoTitles: options.autoTitles ?? 'first-message', trashDays: options.trashDays ?? 30 },
  });
  await budgets.start?.();
  await conversations.start?.();
  await jobs.start?.();
  return {
    conversations, models, jobs, bus, budgets, instanceId,
    async stop() {
      await conversations.stop?.();
      await jobs.stop?.();
      await budgets.stop?.();
    },
  };
}

/** Reads a turn to its end. */
export async function readToEnd(events: AsyncIterable<TurnEvent[]>): Promise<TurnEvent[]> {
  const all: TurnEvent[] = [];
  for await (const batch of events) all.push(...batch);
  return all;
}

/** The text that events add up to; fails when there is a gap or a repeat. */
export function textOf(events: readonly TurnEvent[]): string {
  let text = '';
  for (const event of events) {
    if (event.kind !== 'text') continue;
    if (event.offset !== text.length) throw new Error(`text event ${event.seq} begins at ${event.offset}, not at ${text.length}`);
    text += event.text;
  }
  return text;
}

/** The smallest PNG there is: one transparent pixel. */
export const onePixel = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
