import { randomInt } from 'node:crypto';
import type { SequenceEvaluateOptions, Token } from 'node-llama-cpp';
import type { Sampling } from '../../types.ts';
import type { ModelFile } from './model-files.ts';

/** How the engine runs; the settings LLAMA_*. */
export interface EngineSettings {
  /** Threads; 0 means as many as were measured to be fastest. More threads than idle cores make it many times slower. */
  threads: number;
  /** Conversations answered at the same time; at least 1. */
  sequences: number;
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

/** The values llama.cpp's own programs take when nobody asks for others. */
const defaults = { temperature: 0.8, topP: 0.95, topK: 40, minP: 0.05 };
/** Tokens back that the penalties look at. */
const penaltyWindow = 512;

/** @param made the tokens made so far; it grows while they are made */
export function samplingOptions(sampling: Sampling, made: Token[]): SequenceEvaluateOptions {
  const { frequencyPenalty = 0, presencePenalty = 0 } = sampling;
  return {
    temperature: sampling.temperature ?? defaults.temperature,
    topP: sampling.topP ?? defaults.topP,
    topK: defaults.topK,
    minP: defaults.minP,
    // Always given: without one the engine takes the present second, and begins anew with every second.
    seed: sampling.seed === undefined ? randomInt(2 ** 32) : Math.trunc(sampling.seed) >>> 0,
    ...(frequencyPenalty === 0 && presencePenalty === 0
      ? {}
      : {
          repeatPenalty: {
            punishTokens: () => made.slice(-penaltyWindow),
            maxPunishTokens: penaltyWindow,
            penalty: 1,
            frequencyPenalty,
            presencePenalty,
          },
        }),
  };
}
