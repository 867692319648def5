import type { LlamaContextSequence, Token } from 'node-llama-cpp';
import type { Clock } from '../../../../base/clock.ts';
import { ParleyError } from '../../../../base/errors.ts';
import type { Sampling } from '../../types.ts';
import { samplingOptions } from './options.ts';

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

export interface Generation {
  sequence: LlamaContextSequence;
  /** At least one. */
  prompt: readonly Token[];
  sampling: Sampling;
  pace: ReadingPace;
  clock: Clock;
  signal: AbortSignal;
  /** Called with the number of prompt tokens that were still in memory. */
  onReused(tokens: number): void;
  /** Called with each token; false ends the answer. */
  onToken(token: Token): boolean;
}

/**
 * Reads the prompt and makes tokens until the model ends, `onToken` says so, or the signal aborts. The sequence can be
 * used again afterwards, whatever happened. Ends with true when the model itself ended.
 * @throws {ParleyError} `cancelled` when the signal aborts
 */
export async function generate(generation: Generation): Promise<boolean> {
  const { sequence, signal, onToken } = generation;
  const unread = await readPrompt(generation);
  const made: Token[] = [];
  const options = samplingOptions(generation.sampling, made);
  const punishes = options.repeatPenalty !== undefined;
  // One generator less on the way of each token than `evaluate`.
  for await (const { token } of sequence.evaluateWithMetadata(unread, {}, options)) {
    if (signal.aborted) throw new ParleyError('cancelled');
    if (punishes) made.push(token);
    if (!onToken(token)) return false;
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
