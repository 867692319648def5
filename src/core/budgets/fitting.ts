import { ParleyError } from '../../base/errors.ts';
import type { Models } from '../models/index.ts';
import type { Charge } from './charges.ts';
import { usualAnswer } from './estimate.ts';
import type { Standing } from './limits.ts';
import { bound, refusal, type Shortage } from './refusals.ts';
import type { BudgetSettings, Estimate } from './types.ts';

/** What is held for a call. */
export interface Holding {
  tokensIn: number;
  tokensOut: number;
  costMicros: number;
}

/**
 * What to hold for a call so that it fits into all budgets. An answer whose length the sender bounded is held whole. One
 * without a bound is held at its usual length, or with what is left, if that is less: so the last of a budget can be used.
 * @throws {ParleyError} `budget_exceeded` when it does not fit, `forbidden` when its price is not known
 */
export function fit(standings: readonly Standing[], estimate: Estimate, models: Pick<Models, 'cost'>, settings: BudgetSettings, now: number): Holding {
  const { model, tokensIn } = estimate;
  const isOpen = estimate.tokensOut === null;
  const cost = (tokensOut: number): number => (estimate.costMicros === undefined ? models.cost({ id: model }, tokensIn, tokensOut) : estimate.costMicros) ?? 0;
  refuseUnpriced(standings, estimate, models, settings);

  /** The least that makes sense: the prompt, and the answer as far as it was bounded. */
  const leastOut = estimate.tokensOut ?? 1;
  const needed: Charge = { requests: 1, tokens: tokensIn + leastOut, costMicros: cost(leastOut) };
  const shortages: Shortage[] = [];
  let tokensOut = estimate.tokensOut ?? usualAnswer;
  let mostCost = Infinity;
  for (const standing of standings) {
    for (const kind of ['requests', 'tokens', 'costMicros'] as const) {
      const most = standing.limit.bounds[kind];
      if (most === null) continue;
      const left = most - standing.counted[kind] - standing.held[kind];
      // A budget of money that is used up lets nothing through that costs, and everything that does not.
      if (needed[kind] > left && needed[kind] > 0) shortages.push({ standing, kind, needed: needed[kind], left });
      else if (isOpen && kind === 'tokens') tokensOut = Math.min(tokensOut, left - tokensIn);
      else if (isOpen && kind === 'costMicros') mostCost = Math.min(mostCost, Math.max(0, left));
    }
  }
  if (shortages.length > 0) throw refusal(shortages, now);
  return { tokensIn, tokensOut, costMicros: Math.min(cost(tokensOut), mostCost) };
}

/** @throws {ParleyError} `forbidden` */
function refuseUnpriced(standings: readonly Standing[], { model, tokensIn, costMicros }: Estimate, models: Pick<Models, 'cost'>, settings: BudgetSettings): void {
  if (settings.unpriced === 'allow') return;
  const inMoney = standings.find(({ limit }) => limit.bounds.costMicros !== null);
  if (!inMoney || (costMicros === undefined ? models.cost({ id: model }, tokensIn, 0) : costMicros) !== null) return;
  throw new ParleyError('forbidden', {
    message: `${bound(inMoney.limit, 'costMicros')} is in money, and the price of ${model} is not known: choose another model, or ask an administrator.`,
    parameter: 'model',
  });
}
