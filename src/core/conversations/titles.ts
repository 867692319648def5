import { z } from 'zod';
import { estimatePrompt } from '../budgets/index.ts';
import type { NewJob } from '../../base/jobs/index.ts';
import type { ConversationParts } from './parts.ts';
import { ReplyMeasurement } from './turns/measurement.ts';
import { freeCall, reserveCall } from './figures/spending.ts';
import { noteUsage, usageOf, type Outcome } from './turns/ending.ts';
import type { HeldTurn } from './turns/request.ts';

/** Jobs of this kind ask the model that answered for a title, when AUTO_TITLES is `model`. */
const kind = 'conversation-title';
const payloadForm = z.object({ conversationId: z.string(), messageId: z.string(), userId: z.string(), model: z.string() });
/** Characters of question and answer that the model sees. */
const excerpt = 1000;
/** Most tokens of a title. */
const longestTitle = 32;
const instruction = 'Give the following conversation a title of at most six words, in its own language. Answer with the title alone, without quotation marks.';

/** The job for an answer that has ended, if its conversation may want a title. One for each conversation. */
export function titleJob(turn: HeldTurn, outcome: Outcome): NewJob[] {
  if (outcome.status !== 'DELIVERED' || outcome.model === null || outcome.model.startsWith('builtin/')) return [];
  const payload = { conversationId: turn.conversationId, messageId: turn.messageId, userId: turn.userId, model: outcome.model };
  return [{ kind, userId: turn.userId, payload, dedupKey: `${kind} ${turn.conversationId}`, maxAttempts: 2 }];
}

/** Lets the jobs be done. A title that a person gave is never replaced. */
export function registerTitles(parts: ConversationParts): void {
  const { storage, models, clock, bus } = parts;
  parts.jobs.register(kind, async (job, run) => {
    const { conversationId, messageId, userId, model } = payloadForm.parse(job.payload);
    const row = await storage.read
      .selectFrom('conversations')
      .innerJoin('users', (join) => join.on('users.id', '=', userId))
      .innerJoin('messages as answer', (join) => join.on('answer.id', '=', messageId))
      .innerJoin('messages as question', 'question.id', 'answer.parent_id')
      .select(['conversations.title_source', 'users.role', 'answer.content as answer', 'question.content as question'])
      .where('conversations.id', '=', conversationId)
      .executeTakeFirst();
    if (!row || row.title_source !== 'first-message') return null;
    const caller = { userId, role: row.role };
    const target = await models.resolve(model, caller);
    const messages = [{ role: 'user' as const, content: `${instruction}\n\nQuestion:\n${row.question.slice(0, excerpt)}\n\nAnswer:\n${row.answer.slice(0, excerpt)}` }];
    const estimate = () => ({ model: target.id, tokensIn: estimatePrompt(messages), tokensOut: longestTitle });
    const reservation = await reserveCall(parts, { ...caller, apiKeyId: null }, estimate);
    const measurement = new ReplyMeasurement(clock);
    for await (const batch of models.reply(target, { messages, maxTokens: longestTitle, temperature: 0.3 }, caller, run.signal)) measurement.take(batch);
    measurement.close({ error: { code: 'provider_error', message: 'The title did not end.', serviceFault: true } });
    const failed = measurement.end !== null && 'error' in measurement.end;
    const title = failed ? null : cleanTitle(measurement.text);
    const stored = storage.write(async (queries) => {
      const turn = { userId, messageId, request: { model, sampling: {}, dialect: 'title', apiKeyId: null, refuseBuiltin: true } };
      const outcome = outcomeOf(parts, measurement, target.id);
      await noteUsage(queries, parts.budgets, usageOf(turn, outcome, clock.now()), reservation, outcome.tokens_out === null ? measurement.text + measurement.reasoning : '');
      if (!title) return;
      await queries.updateTable('conversations').set({ title, title_source: 'model' }).where('id', '=', conversationId).where('title_source', '=', 'first-message').execute();
    });
    await stored.catch(async (error: unknown) => {
      await freeCall(parts, reservation);
      throw error;
    });
    bus.publish(`conversation:${conversationId}`, { type: 'changed' });
    return { title };
  });
}

function outcomeOf({ models }: ConversationParts, measurement: ReplyMeasurement, asked: string): Outcome {
  const { tokensIn, tokensOut, tokensCached } = measurement.usage;
  const model = measurement.spokenModel ?? asked;
  return {
    status: measurement.end && 'reason' in measurement.end ? 'DELIVERED' : 'FAILED', content: '', reasoning: null, tools: null, model,
    tokens_in: tokensIn ?? null, tokens_out: tokensOut ?? null,
    tokens_reasoning: null, tokens_cached: tokensCached ?? null,
    cost_micros: models.cost({ id: model }, tokensIn, tokensOut, tokensCached),
    time_to_first_token_ms: measurement.timeToFirstTokenMs === null ? null : Math.round(measurement.timeToFirstTokenMs), duration_ms: measurement.durationMs,
    finish_reason: 'stop', confidence: null, error_code: null, error_message: null,
  };
}

/** What a model says when asked for a title, as a title; null when it is of no use. */
export function cleanTitle(text: string): string | null {
  const line = text.replaceAll(/<think>[\s\S]*?<\/think>/g, '').trim().split('\n', 1)[0]!;
  const title = line.replace(/^(title\s*:\s*)/i, '').replaceAll(/^["'“”«»*#\s]+|["'“”«».*\s]+$/g, '');
  return title.length >= 2 && title.length <= 80 ? title : null;
}
