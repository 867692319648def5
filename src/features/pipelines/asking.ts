import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { chatProfiles, isChatProfile, type UnstoredRequest } from '../../core/conversations/index.ts';
import type { FinishReason, ModelBatch, Target } from '../../core/models/index.ts';
import { mostOutput } from './limits.ts';
import type { AskedModel, PipelineNeeds } from './types.ts';

/** Counted under this name in the usage. */
const dialect = 'ultimate';

/** A model that can be asked, with what it is told. */
export interface Prepared {
  target: Target;
  system: string | null;
  temperature: number | null;
  maxTokens: number;
}

/** @throws {ParleyError} `model_not_found`, `no_api_key`, `no_model` */
export async function prepare({ models }: PipelineNeeds, viewer: Viewer, asked: AskedModel): Promise<Prepared> {
  const profile = isChatProfile(asked.model) ? chatProfiles[asked.model] : null;
  const target = await models.resolve(profile ? asked.backendModel : asked.model, viewer);
  if (target.isBuiltin) throw new ParleyError('no_model');
  return { target, system: asked.system ?? profile?.instructions ?? null, temperature: asked.temperature ?? profile?.temperature ?? null, maxTokens: asked.maxTokens };
}

/** The request for one question. */
export function requestFor({ system, temperature, maxTokens }: Prepared, question: string): Pick<UnstoredRequest, 'messages' | 'maxTokens' | 'temperature'> {
  return {
    messages: [...(system === null ? [] : [{ role: 'system' as const, content: system }]), { role: 'user' as const, content: question }],
    maxTokens,
    ...(temperature === null ? {} : { temperature }),
  };
}

/** An answer to one question. */
export interface Answer {
  text: string;
  /** `provider/model` that spoke. */
  model: string;
  finish: FinishReason;
  /** Null where the model does not say. */
  tokensIn: number | null;
  tokensOut: number | null;
  /** Milliseconds from asking to the last token. */
  durationMs: number;
}

/**
 * Asks one question; nothing of it is kept but its usage. @param onText told each piece of text; the next one is read when it resolves
 * @throws {ParleyError} why there is no answer
 */
export async function ask({ conversations, clock }: PipelineNeeds, viewer: Viewer, prepared: Prepared, question: string, signal: AbortSignal, options: { onText?(text: string): void | Promise<void>; batch?: ModelBatch } = {}): Promise<Answer> {
  const { onText, batch } = options;
  if (signal.aborted) throw new ParleyError('cancelled');
  const target = batch ? { ...prepared.target, batch } : prepared.target;
  const began = clock.monotonic();
  const reply = await conversations.answerUnstored(viewer, { ...requestFor(prepared, question), model: target.id, target, dialect, whole: onText === undefined }, signal);
  const answer: Answer = { text: '', model: reply.model, finish: 'stop', tokensIn: null, tokensOut: null, durationMs: 0 };
  for await (const events of reply.events) {
    let said = '';
    for (const event of events) {
      if (event.type === 'text') said += event.text;
      else if (event.type === 'model') answer.model = event.model;
      else if (event.type === 'usage') [answer.tokensIn, answer.tokensOut] = [event.usage.tokensIn ?? null, event.usage.tokensOut ?? null];
      else if (event.type === 'finish') answer.finish = event.reason;
      else if (event.type === 'error') throw new ParleyError(event.error.code, { message: event.error.message, ...(event.error.retryAfterMs === undefined ? {} : { retryAfterMs: event.error.retryAfterMs }) });
    }
    answer.text += said;
    if (answer.text.length > mostOutput) throw new ParleyError('too_large', { message: `The answer has more than ${mostOutput} characters.` });
    if (said !== '') await onText?.(said);
  }
  answer.durationMs = Math.round(clock.monotonic() - began);
  return answer;
}
