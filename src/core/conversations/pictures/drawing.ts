import type { UsageTable } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import { estimateTokens, type EndedCall } from '../../budgets/index.ts';
import type { DrawRequest, DrawResult } from '../../models/index.ts';
import type { ConversationParts } from '../parts.ts';
import { reserveCall, spenderOf } from '../figures/spending.ts';
import type { Conversations } from '../contract.ts';
import { recordCall } from '../figures/recording.ts';
import { usageRow } from '../figures/usage-row.ts';

/** See `Conversations.drawUnstored`. @param add takes the usage of the call */
export async function drawUnstored(
  parts: ConversationParts, add: (ended: EndedCall) => void, viewer: Viewer, request: Parameters<Conversations['drawUnstored']>[1], signal: AbortSignal,
): Promise<DrawResult & { model: string }> {
  const { models, clock } = parts;
  const { model, dialect, ...drawing } = request;
  const caller = { userId: viewer.userId, role: viewer.role };
  const target = await models.resolve(model, caller);
  const cost = models.drawCost(target, drawing);
  const reservation = await reserveCall(parts, spenderOf(viewer), () => ({ model: target.id, tokensIn: estimateTokens(drawing.prompt), tokensOut: 0, costMicros: cost }));
  const began = clock.monotonic();
  const note = (outcome: UsageTable['outcome'], drawn: Pick<DrawResult, 'tokensIn' | 'tokensOut'>, costMicros: number | null): void => {
    const figures = { kind: 'image' as const, tokens_in: drawn.tokensIn, tokens_out: drawn.tokensOut, cost_micros: costMicros };
    const row = { ...usageRow(parts, viewer, dialect, target.id), ...figures, duration_ms: Math.round(clock.monotonic() - began), outcome };
    add({ reservation, usage: row, tokensSaid: 0 });
    recordCall(parts, outcome, row.duration_ms, null);
  };
  try {
    const result = await models.draw(target, drawing satisfies Omit<DrawRequest, 'model'>, caller, signal);
    note('DELIVERED', result, cost);
    return { ...result, model: target.id };
  } catch (error) {
    note(signal.aborted ? 'CANCELLED' : 'FAILED', { tokensIn: null, tokensOut: null }, null);
    throw error;
  }
}
