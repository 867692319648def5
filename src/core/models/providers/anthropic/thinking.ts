import type { ModelRequest } from '../../types.ts';
import type { ModelTraits } from './options.ts';

/** How a model is told to think; undefined leaves it to the model. */
export interface Thinking {
  thinking?: { type: 'disabled' } | { type: 'enabled'; budget_tokens: number } | { type: 'adaptive'; display: 'summarized' };
  effort?: string;
}

/** Tokens of thinking for models that are told a budget. */
const budgets: Record<string, number> = { minimal: 1024, low: 2048, medium: 8192, high: 16_384, xhigh: 32_768, max: 49_152 };
/** The least budget that the service takes. */
const leastBudget = 1024;

/**
 * The reasoning effort as the model takes it: as an effort, with thinking left to the model; or as a budget, which must
 * leave room for the answer within `max_tokens` (where there is no room for 1024 tokens, it does not think).
 *
 * A model with a budget refuses to think while a tool it called is answered, unless its former thoughts are sent along,
 * signed; they are not kept here. No model may think when a tool must be called. It then answers without thinking.
 */
export function thinkingOf(request: Pick<ModelRequest, 'reasoningEffort' | 'toolChoice' | 'prefill'>, traits: ModelTraits, messages: readonly { role: string; content: readonly Record<string, unknown>[] }[], maxTokens: number): Thinking {
  const { reasoningEffort, toolChoice } = request;
  if (reasoningEffort === undefined || traits.thinking === 'none') return {};
  if (reasoningEffort === 'none') return traits.thinking === 'adaptive' ? { thinking: { type: 'disabled' } } : {};
  const isForced = toolChoice === 'required' || typeof toolChoice === 'object';
  if (traits.thinking === 'adaptive') {
    const effort = reasoningEffort === 'minimal' ? 'low' : reasoningEffort;
    // Without the word `summarized` the newer models keep their thoughts to themselves.
    return isForced ? { effort } : { thinking: { type: 'adaptive', display: 'summarized' }, effort };
  }
  const answersTool = messages.at(-1)?.content.some((block) => block['type'] === 'tool_result') ?? false;
  const hasBegun = messages.at(-1)?.role === 'assistant';
  const budget = Math.min(budgets[reasoningEffort] ?? leastBudget, Math.floor(maxTokens * 0.8));
  return isForced || answersTool || hasBegun || budget < leastBudget ? {} : { thinking: { type: 'enabled', budget_tokens: budget } };
}
