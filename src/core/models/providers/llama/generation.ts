import type { LlamaContextSequence, LlamaGrammarEvaluationState, LlamaModel, Token } from 'node-llama-cpp';
import type { Clock } from '../../../../base/clock.ts';
import { ParleyError } from '../../../../base/errors.ts';
import type { Sampling } from '../../types.ts';
import type { EngineLibrary } from './library.ts';
import { createChooser, type Chooser } from './logprobs.ts';
import { samplingDefaults, samplingOptions, seedOf } from './options.ts';
import { createRandom } from './random.ts';

/**
 * A long prompt is read in pieces, because what has been given to the engine cannot be called back: each piece is to
 * take about this many milliseconds, so that a cancelled answer ends soon and other answers go on.
 */
const pieceTime = 200;
const smallestPiece = 16;
const largestPiece = 512;

/** Remembers over all answers of a model how many tokens are read in `pieceTime`. */
export interface ReadingPace {
  tokens: number;
}

export function createReadingPace(): ReadingPace {
  return { tokens: 64 };
}

/** What follows a token: more, nothing, or a part of the answer under a grammar that begins with these tokens. */
export type Next = 'more' | 'end' | { tokens: Token[]; grammar: LlamaGrammarEvaluationState };

export interface Generation {
  library: EngineLibrary;
  model: LlamaModel;
  sequence: LlamaContextSequence;
  /** At least one. */
  prompt: readonly Token[];
  sampling: Sampling;
  /** What the answer must keep to from its first token on; null when it is free. */
  grammar: LlamaGrammarEvaluationState | null;
  pace: ReadingPace;
  clock: Clock;
  signal: AbortSignal;
  /** Called with the number of prompt tokens that were still in memory. */
  onReused(tokens: number): void;
  /** Called with each token, and with the probabilities of all where they were asked for. */
  onToken(token: Token, likeliest?: ReadonlyMap<Token, number>): Next;
}

/**
 * Reads the prompt and makes tokens until the model ends, `onToken` says so, or the signal aborts. The sequence can be
 * used again afterwards, whatever happened. Ends with true when the model itself ended.
 * @throws {ParleyError} `cancelled` when the signal aborts
 */
export async function generate(generation: Generation): Promise<boolean> {
  let tokens = await readPrompt(generation);
  let grammar = generation.grammar;
  const seed = seedOf(generation.sampling);
  for (;;) {
    const outcome = await makeTokens(generation, tokens, grammar, seed);
    if (typeof outcome === 'boolean') return outcome;
    ({ tokens, grammar } = outcome);
  }
}

/** One part of the answer, free or under one grammar. */
async function makeTokens(
  { library, model, sequence, sampling, signal, onToken }: Generation,
  tokens: Token[],
  grammar: LlamaGrammarEvaluationState | null,
  seed: number,
): Promise<boolean | { tokens: Token[]; grammar: LlamaGrammarEvaluationState }> {
  const made: Token[] = [];
  const isTold = sampling.logprobs !== undefined;
  // Under a grammar the engine itself has to choose, so the figures are those of what the grammar and the settings left.
  const chooser: Chooser | null = isTold && grammar === null ? createChooser(sampling, samplingDefaults, made, createRandom(seed)) : null;
  const usual = samplingOptions(library, model, sampling, seed, made);
  const options = chooser === null ? { ...usual, ...(grammar === null ? {} : { grammarEvaluationState: grammar }) } : { temperature: 0, yieldEogToken: true };
  const remembers = chooser !== null || usual.repeatPenalty !== undefined;
  // One generator less on the way of each token than `evaluate`.
  const source = sequence.evaluateWithMetadata(tokens, { probabilities: isTold } as { probabilities: true }, options);
  try {
    for (let step = await source.next(); step.done !== true;) {
      if (signal.aborted) throw new ParleyError('cancelled');
      const likeliest: ReadonlyMap<Token, number> | undefined = step.value.probabilities;
      const token = chooser === null ? step.value.token : chooser.choose(likeliest!);
      if (chooser !== null && model.isEogToken(token)) return true;
      if (remembers) made.push(token);
      const next = onToken(token, likeliest);
      if (next === 'end') return false;
      if (next !== 'more') return next;
      step = await (chooser === null ? source.next() : source.next(token));
    }
  } finally {
    await source.return();
  }
  if (signal.aborted) throw new ParleyError('cancelled');
  return true;
}

/** Reads all but the last piece. Returns the tokens left: at least one, because the answer begins behind it. */
async function readPrompt({ sequence, prompt, pace, clock, signal, onReused }: Generation): Promise<Token[]> {
  await sequence.adaptStateToTokens(prompt.slice(0, -1), false);
  onReused(sequence.nextTokenIndex);
  let unread = prompt.slice(sequence.nextTokenIndex);
  for (;;) {
    if (signal.aborted) throw new ParleyError('cancelled');
    const size = Math.min(largestPiece, Math.max(smallestPiece, pace.tokens));
    if (unread.length <= size) return unread;
    const began = clock.monotonic();
    await sequence.evaluateWithoutGeneratingNewTokens(unread.slice(0, size));
    pace.tokens = nextPace(size, clock.monotonic() - began);
    unread = unread.slice(size);
  }
}

/** At most doubled, so that one quick measurement does not lead to one long piece. */
function nextPace(size: number, milliseconds: number): number {
  return Math.round(Math.min(size * 2, (size * pieceTime) / Math.max(1, milliseconds)));
}
