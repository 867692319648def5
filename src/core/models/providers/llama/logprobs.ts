import type { LlamaModel, Token } from 'node-llama-cpp';
import type { ReplyEvent, Sampling, TokenLogprob } from '../../types.ts';

/**
 * With log-probabilities the engine hands over what the model thinks of every token, before any setting of sampling;
 * the choice is then made here, by the same steps as llama.cpp takes: bias, penalties, top_k, top_p, min_p,
 * temperature. So the figures are the model's own, whatever the settings.
 */
export interface Chooser {
  /** @param likeliest every token with its probability, the likeliest first */
  choose(likeliest: ReadonlyMap<Token, number>): Token;
}

/** Values of settings that the request leaves open. */
export type SamplingDefaults = Required<Pick<Sampling, 'temperature' | 'topP' | 'topK' | 'minP'>>;

/** Tokens back that the penalties look at. */
export const penaltyWindow = 512;

interface Candidate {
  token: Token;
  score: number;
}

/**
 * @param random numbers from 0 to below 1
 * @param made the tokens chosen so far
 */
export function createChooser(sampling: Sampling, defaults: SamplingDefaults, made: readonly Token[], random: () => number): Chooser {
  const temperature = sampling.temperature ?? defaults.temperature;
  const topK = sampling.topK ?? defaults.topK;
  const topP = sampling.topP ?? defaults.topP;
  const minP = sampling.minP ?? defaults.minP;
  const { frequencyPenalty = 0, presencePenalty = 0, logitBias = {} } = sampling;
  const isShifted = frequencyPenalty !== 0 || presencePenalty !== 0 || Object.keys(logitBias).length > 0;

  function scored(likeliest: ReadonlyMap<Token, number>): Candidate[] {
    const counts = new Map<Token, number>();
    if (frequencyPenalty !== 0 || presencePenalty !== 0) for (const token of made.slice(-penaltyWindow)) counts.set(token, (counts.get(token) ?? 0) + 1);
    const candidates: Candidate[] = [];
    for (const [token, probability] of likeliest) {
      if (probability <= 0 && !(token in logitBias)) continue;
      const count = counts.get(token) ?? 0;
      const penalty = count === 0 ? 0 : count * frequencyPenalty + presencePenalty;
      candidates.push({ token, score: logarithm(probability) + (logitBias[token] ?? 0) - penalty });
    }
    return isShifted ? candidates.sort((one, other) => other.score - one.score) : candidates;
  }

  return {
    choose(likeliest) {
      let candidates = scored(likeliest);
      if (temperature <= 0) return candidates[0]!.token;
      if (topK > 0) candidates = candidates.slice(0, topK);
      candidates = likeliestPart(candidates, topP);
      candidates = candidates.filter(({ score }) => score >= candidates[0]!.score + Math.log(Math.max(minP, Number.MIN_VALUE)));
      const weights = candidates.map(({ score }) => Math.exp((score - candidates[0]!.score) / temperature));
      let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
      const chosen = weights.findIndex((weight) => (left -= weight) < 0);
      return candidates[chosen < 0 ? 0 : chosen]!.token;
    },
  };
}

/** As many of the likeliest as are needed to reach this part of all. */
function likeliestPart(candidates: Candidate[], part: number): Candidate[] {
  if (part >= 1) return candidates;
  const weights = candidates.map(({ score }) => Math.exp(score - candidates[0]!.score));
  const enough = part * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  const end = weights.findIndex((weight) => (sum += weight) >= enough);
  return end < 0 ? candidates : candidates.slice(0, end + 1);
}

/** The lowest that is written: so JSON can hold it. */
const lowest = -9999;

function logarithm(probability: number): number {
  return probability > 0 ? Math.max(lowest, Math.log(probability)) : lowest;
}

/** The figures of one token. @param before tokens that stand before it */
export function tokenLogprob(model: LlamaModel, token: Token, likeliest: ReadonlyMap<Token, number>, top: number, before: readonly Token[]): TokenLogprob {
  const shown: TokenLogprob['top'] = [];
  if (top > 0) {
    for (const [other, probability] of likeliest) {
      shown.push({ ...named(model, other, before), logprob: logarithm(probability) });
      if (shown.length >= top) break;
    }
  }
  return { ...named(model, token, before), logprob: logarithm(likeliest.get(token) ?? 0), top: shown };
}

/** The bytes of a token that is no whole text are not told by the engine. */
function named(model: LlamaModel, token: Token, before: readonly Token[]): { token: string; bytes: number[] | null } {
  const text = model.detokenize([token], model.isSpecialToken(token), before);
  return { token: text, bytes: text.includes('\ufffd') ? null : [...Buffer.from(text, 'utf8')] };
}

/** Figures wait until the text of their token is shown: what a stop text cuts off is not told. */
export class LogprobQueue {
  readonly #push: (event: ReplyEvent) => void;
  readonly #waiting: { end: number; figures: TokenLogprob }[] = [];

  constructor(push: (event: ReplyEvent) => void) {
    this.#push = push;
  }

  /** @param end characters of the answer up to the end of this token */
  add(end: number, figures: TokenLogprob): void {
    this.#waiting.push({ end, figures });
  }

  /** @param shown characters of the answer that have been shown */
  shown(shown: number): void {
    const ready = this.#waiting.findIndex(({ end }) => end > shown);
    const tokens = this.#waiting.splice(0, ready < 0 ? this.#waiting.length : ready).map(({ figures }) => figures);
    if (tokens.length > 0) this.#push({ type: 'logprobs', tokens });
  }
}
