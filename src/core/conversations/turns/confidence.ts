import type { Caller, Models, ModelRequest, ReplyEvent, Target } from '../../models/index.ts';

/** Targets remembered as those that give no log-probabilities. */
const mostRemembered = 1000;

/** Asks for log-probabilities where the model gives them, so that an answer has a confidence. */
export interface ConfidentReplies {
  /** Like `Models.reply`, with log-probabilities; from a model that refuses to give any, the answer comes without. */
  reply(target: Target, request: Omit<ModelRequest, 'model'>, caller: Caller, signal: AbortSignal): AsyncIterable<ReplyEvent[]>;
}

export function createConfidentReplies(models: Pick<Models, 'reply'>): ConfidentReplies {
  const without = new Set<string>();
  return {
    async *reply(target, request, caller, signal) {
      let hasBegun = without.has(target.id);
      const asked = hasBegun ? request : { ...request, logprobs: { top: 0 } };
      for await (const events of models.reply(target, asked, caller, signal)) {
        if (!hasBegun && isRefusal(events)) {
          without.add(target.id);
          if (without.size > mostRemembered) without.delete(without.values().next().value!);
          yield* models.reply(target, request, caller, signal);
          return;
        }
        hasBegun = true;
        yield events;
      }
    },
  };
}

/** Whether a reply failed because of the wish for log-probabilities, before it said anything. */
function isRefusal(events: readonly ReplyEvent[]): boolean {
  const last = events.at(-1);
  return last?.type === 'error' && !last.error.serviceFault && /logprobs/.test(last.error.parameter ?? '');
}
