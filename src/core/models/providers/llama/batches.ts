import type { CustomBatchingPrioritizationStrategy, LlamaContextSequence, Token } from 'node-llama-cpp';
import type { Clock } from '../../../../base/clock.ts';
import { ParleyError } from '../../../../base/errors.ts';
import type { BatchFigures, ModelBatch, ModelRequest } from '../../types.ts';
import { planAnswer } from './answer-plan.ts';
import type { LoadedChat, LoadedModel } from './engine.ts';
import { batchSequenceCount, type EngineSettings } from './options.ts';
import { orderBeforeSampling } from './ordering.ts';
import { createSequencePool, type Sequence, type SequencePool } from './sequence-pool.ts';

/** Batches that wait for the one before them: of one person, and of all. */
const mostWaitingBatches = { ofOne: 8, ofAll: 64 };
/** Part of the free memory that one batch may take: other models and conversations need some. */
const usualShare = 0.5;
/** Contexts of batches have a multiple of so many tokens for each request. */
const contextStep = 256;

/** A batch, with what its requests are answered with. */
export interface OpenBatch extends ModelBatch {
  /** The model, with the places of the batch in the place of those of conversations. */
  readonly loaded: LoadedModel;
}

export interface BatchNeeds {
  loaded: LoadedModel;
  settings: EngineSettings;
  clock: Clock;
  /** Bytes that may be used now. */
  room(): number;
  borrow(bytes: number): () => void;
  signal: AbortSignal;
  /** Who asks. */
  user: string | undefined;
}

/** The turn of a batch: one at a time for each model, each person in turn. */
type Turn = Sequence<Token>;
const turns = new WeakMap<LoadedModel, SequencePool<Token, Turn>>();

/**
 * Opens a context whose sequences belong to these requests: as many as there are requests, as the setting allows, and as fit into
 * half of the memory that is free, each as long as the longest of them needs. All that wait for their next token are evaluated by
 * one call of the engine, and the parts of prompts that fit beside them.
 * @returns null where not even two fit @throws {ParleyError} `cancelled`, `rate_limited`
 */
export async function openBatch(needs: BatchNeeds, requests: readonly ModelRequest[]): Promise<OpenBatch | null> {
  const { loaded, settings, signal, user } = needs;
  const wanted = Math.min(requests.length, batchSequenceCount(settings));
  if (wanted < 2) return null;
  const line = turnsOf(needs);
  const turn = await line.take([], signal, user);
  try {
    const chat = await loaded.chat();
    const contextTokens = await longestOf(loaded, chat, requests);
    if (signal.aborted) throw new ParleyError('cancelled');
    const bytesEach = Math.max(1, (loaded.file.cacheBytesPerToken ?? 0) * contextTokens);
    const fitting = Math.min(wanted, Math.floor((needs.room() * usualShare) / bytesEach));
    const opened = fitting < 2 ? null : await openContext(needs, chat, contextTokens, fitting, bytesEach);
    if (opened === null) line.give(turn);
    return opened && { ...opened, close: once(() => opened.close().finally(() => line.give(turn))) };
  } catch (error) {
    line.give(turn);
    throw error;
  }
}

function turnsOf({ loaded, clock }: BatchNeeds): SequencePool<Token, Turn> {
  let pool = turns.get(loaded);
  if (pool === undefined) {
    const turn: Turn = { nextTokenIndex: 0, compareContextTokens: () => ({ firstDifferentIndex: 0 }) };
    turns.set(loaded, (pool = createSequencePool([turn], { bounds: mostWaitingBatches, now: () => clock.monotonic() })));
  }
  return pool;
}

/** Tokens that the longest request and its answer need. What cannot be asked at all fails by itself, when it is asked. */
async function longestOf(loaded: LoadedModel, chat: LoadedChat, requests: readonly ModelRequest[]): Promise<number> {
  let longest = 1;
  for (const request of requests) {
    const plan = await planAnswer(loaded, chat, request).catch((error: unknown) => {
      if (error instanceof ParleyError) return null;
      throw error;
    });
    if (plan === null) continue;
    const tokens = plan.prompt.tokens.length;
    if (tokens < loaded.contextTokens) longest = Math.max(longest, tokens + (request.maxTokens ?? loaded.contextTokens));
  }
  return Math.min(loaded.contextTokens, Math.ceil(longest / contextStep) * contextStep);
}

/** With fewer places when the engine finds no room for so many; null when it finds none for two. */
async function openContext({ loaded, borrow, clock }: BatchNeeds, chat: LoadedChat, contextTokens: number, most: number, bytesEach: number): Promise<OpenBatch | null> {
  for (let places = most; places >= 2; places = Math.floor(places / 2)) {
    const giveBack = borrow(places * bytesEach);
    const counted = countEvaluations();
    let sequences: LlamaContextSequence[];
    let dispose: () => Promise<void>;
    try {
      const context = await loaded.model.createContext({
        sequences: places, contextSize: contextTokens, threads: chat.context.idealThreads, failedCreationRemedy: false,
        batching: { dispatchSchedule: 'nextCycle', itemPrioritizationStrategy: counted.strategy },
      });
      dispose = () => context.dispose();
      orderBeforeSampling(context);
      sequences = Array.from({ length: places }, () => context.getSequence());
    } catch {
      // The engine has said in the log that it had no room; fewer may fit.
      giveBack();
      continue;
    }
    const pool = createSequencePool<Token, LlamaContextSequence>(sequences, { bounds: { ofOne: Infinity, ofAll: Infinity }, now: () => clock.monotonic() });
    const inBatch: LoadedChat = { ...chat, sequences: pool };
    return {
      places,
      loaded: { ...loaded, contextTokens, chat: async () => inBatch },
      figures: () => ({ ...counted.figures }),
      close: () => dispose().finally(giveBack),
    };
  }
  return null;
}

/** Shares one call of the engine among all that wait, and counts the calls. */
export function countEvaluations(): { figures: BatchFigures; strategy: CustomBatchingPrioritizationStrategy } {
  const figures: BatchFigures = { evaluations: 0, shared: 0, most: 0 };
  return {
    figures,
    strategy({ items, size }) {
      // Those that need the least first: whoever waits for the next token of an answer waits for no prompt of another one.
      const chosen = [];
      let left = size;
      const inOrder = [...items].sort((one, other) => one.tokens.length - other.tokens.length);
      for (const [at, item] of inOrder.entries()) {
        const processAmount = Math.min(item.tokens.length, Math.max(1, Math.floor(left / (inOrder.length - at))));
        if (left < 1) break;
        chosen.push({ item, processAmount });
        left -= processAmount;
      }
      figures.evaluations += 1;
      if (chosen.length > 1) figures.shared += 1;
      figures.most = Math.max(figures.most, chosen.length);
      return chosen;
    },
  };
}

function once(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => (done ??= action());
}
