import { randomInt } from 'node:crypto';
import type { LlamaModel, SequenceEvaluateOptions, Token } from 'node-llama-cpp';
import { ParleyError } from '../../../../base/errors.ts';
import type { Sampling } from '../../types.ts';
import type { EngineLibrary } from './library.ts';
import { penaltyWindow } from './logprobs.ts';
import type { ModelFile } from './model-files.ts';

/** How the engine runs; the settings LLAMA_*. */
export interface EngineSettings {
  /** Threads; 0 means as many as were measured to be fastest. More threads than idle cores make it many times slower. */
  threads: number;
  /** Conversations answered at the same time; at least 1. */
  sequences: number;
  /** Requests of a batch that are evaluated together at most; below 2 none are, and batches use the places of conversations. Default 16. */
  batchSequences?: number;
  /** Tokens of context for each conversation, at most what the model was trained for; 0 means that. */
  contextTokens: number;
  gpu: 'off' | 'auto';
  /** Bytes of memory all loaded models may take together; 0 means a share of what is free at the start. */
  memoryBytes: number;
  /** Milliseconds after which an unused model is unloaded; 0 keeps it until its memory is needed. */
  idleMs: number;
}

/** Context of models whose file does not say what they were trained for. */
const usualContext = 4096;

/** Tokens a conversation with this model may have under these settings. */
export function contextLength(file: ModelFile, settings: EngineSettings): number {
  return Math.min(settings.contextTokens || Infinity, file.trainedTokens ?? usualContext);
}

/** Conversations answered at the same time. */
export function sequenceCount(settings: EngineSettings): number {
  return Math.max(1, Math.floor(settings.sequences));
}

/** Requests of a batch that are evaluated together at most, where memory allows. */
export function batchSequenceCount(settings: EngineSettings): number {
  return Math.max(0, Math.floor(settings.batchSequences ?? 16));
}

/** The values llama.cpp's own programs take when nobody asks for others. */
export const samplingDefaults = { temperature: 0.8, topP: 0.95, topK: 40, minP: 0.05 };
const mostBiases = 1024;

/**
 * Refuses settings that cannot be kept to.
 * @throws {ParleyError} `unsupported_value`
 */
export function checkSampling(sampling: Sampling, model: LlamaModel): void {
  const { logitBias, logprobs, repeatPenalty } = sampling;
  if (logprobs !== undefined && repeatPenalty !== undefined && repeatPenalty !== 1) {
    throw new ParleyError('unsupported_value', {
      message: 'The embedded engine gives no log-probabilities together with a repeat penalty.',
      parameter: 'logprobs',
    });
  }
  if (logitBias === undefined) return;
  const biased = Object.keys(logitBias);
  if (biased.length > mostBiases) {
    throw new ParleyError('unsupported_value', { message: `At most ${mostBiases} tokens can have a bias.`, parameter: 'logit_bias' });
  }
  const known = vocabularySize(model);
  for (const token of biased) {
    const problem = !/^\d{1,9}$/.test(token) || Number(token) >= known
      ? `is no token of this model, which has ${known}`
      : model.isEogToken(Number(token) as Token)
        ? 'ends the answer, and the embedded engine takes no bias for that'
        : null;
    if (problem === null) continue;
    throw new ParleyError('unsupported_value', { message: `The token ${token.slice(0, 20)} in logit_bias ${problem}.`, parameter: 'logit_bias' });
  }
}

const vocabularySizes = new WeakMap<LlamaModel, number>();

function vocabularySize(model: LlamaModel): number {
  let size = vocabularySizes.get(model);
  if (size === undefined) {
    size = 0;
    for (const token of model.iterateAllTokens()) size = Math.max(size, token + 1);
    vocabularySizes.set(model, size);
  }
  return size;
}

/** A whole number for the engine's generator. */
export function seedOf(sampling: Sampling): number {
  // Always given: without one the engine takes the present second, and begins anew with every second.
  return sampling.seed === undefined ? randomInt(2 ** 32) : Math.trunc(sampling.seed) >>> 0;
}

/** @param made the tokens made so far; it grows while they are made */
export function samplingOptions(library: EngineLibrary, model: LlamaModel, sampling: Sampling, seed: number, made: Token[]): SequenceEvaluateOptions {
  const { frequencyPenalty = 0, presencePenalty = 0, repeatPenalty = 1, logitBias = {} } = sampling;
  const biased = Object.entries(logitBias);
  const bias = library.TokenBias.for(model);
  for (const [token, logit] of biased) bias.set(Number(token) as Token, { logit });
  return {
    temperature: sampling.temperature ?? samplingDefaults.temperature,
    topP: sampling.topP ?? samplingDefaults.topP,
    topK: sampling.topK ?? samplingDefaults.topK,
    minP: sampling.minP ?? samplingDefaults.minP,
    seed,
    ...(biased.length === 0 ? {} : { tokenBias: bias }),
    ...(frequencyPenalty === 0 && presencePenalty === 0 && repeatPenalty === 1
      ? {}
      : {
          repeatPenalty: {
            punishTokens: () => made.slice(-penaltyWindow),
            maxPunishTokens: penaltyWindow,
            penalty: repeatPenalty,
            frequencyPenalty,
            presencePenalty,
          },
        }),
  };
}
