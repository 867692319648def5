import { sql } from 'kysely';
import type { Viewer } from '../../accounts/index.ts';
import { openConversation } from '../access.ts';
import type { ConversationParts } from '../parts.ts';
import type { AnswerFigures, ConversationUsage } from '../types.ts';
import { importMark } from '../transfer/import-mark.ts';

/** What the messages of a conversation come to, over all branches. Figures are of answers that this server has measured. */
export async function conversationUsage({ storage }: Pick<ConversationParts, 'storage'>, viewer: Viewer, conversationId: string): Promise<ConversationUsage> {
  await openConversation(storage.read, viewer, conversationId, 'read', 'put-away');
  const rows = await storage.read
    .selectFrom('messages')
    .select(['role', 'status', 'model'])
    .select((of) => [
      of.fn.countAll<number>().as('messages'),
      of.fn.sum<number | null>(sql`case when substr(metadata, 1, ${importMark.length}) = ${importMark} then 1 else 0 end`).as('imported'),
      of.fn.sum<number | null>('tokens_in').as('tokens_in'),
      of.fn.sum<number | null>('tokens_out').as('tokens_out'),
      of.fn.sum<number | null>('cost_micros').as('cost_micros'),
      of.fn.sum<number | null>('time_to_first_token_ms').as('first_token_ms'),
      of.fn.count<number>('time_to_first_token_ms').as('first_tokens'),
      of.fn.sum<number | null>('duration_ms').as('duration_ms'),
      of.fn.count<number>('duration_ms').as('durations'),
      of.fn.sum<number | null>(sql`case when tokens_out is null then 1 else 0 end`).as('without_tokens'),
      of.fn.sum<number | null>(sql`case when cost_micros is null then 1 else 0 end`).as('without_price'),
    ])
    .where('conversation_id', '=', conversationId)
    .groupBy(['role', 'status', 'model'])
    .execute();
  // Sums and counts of 64 bits come as text from PostgreSQL.
  const groups = rows.map(({ role, status, model, ...figures }) => ({ role, status, model, ...numbers(figures) }));
  const answers = groups.filter(({ role }) => role === 'assistant');
  const count = (some: readonly { messages: number }[]): number => some.reduce((sum, { messages }) => sum + messages, 0);
  const models = [...new Set(answers.map(({ model }) => model))].sort((one, other) => (one ?? '').localeCompare(other ?? '', 'en'));
  return {
    messages: count(groups),
    byRole: { user: count(groups.filter(({ role }) => role === 'user')), assistant: count(answers), system: count(groups.filter(({ role }) => role === 'system')), tool: count(groups.filter(({ role }) => role === 'tool')) },
    imported: groups.reduce((sum, { imported }) => sum + (imported ?? 0), 0),
    byStatus: Object.fromEntries(answers.map(({ status }) => [status, count(answers.filter((group) => group.status === status))])),
    total: figuresOf(answers),
    byModel: models.map((model) => ({ model, ...figuresOf(answers.filter((group) => group.model === model)) })),
  };
}

type Figures = Record<'messages' | 'first_tokens' | 'durations', number> & Record<'imported' | 'tokens_in' | 'tokens_out' | 'cost_micros' | 'first_token_ms' | 'duration_ms' | 'without_tokens' | 'without_price', number | null>;

function numbers<Row extends Record<string, number | string | null>>(row: Row): { [Name in keyof Row]: Row[Name] } {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : Number(value)])) as never;
}

function figuresOf(groups: readonly Figures[]): AnswerFigures {
  const sum = (name: keyof Figures): number | null => {
    const known = groups.flatMap((group) => group[name] ?? []);
    return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
  };
  const mean = (total: keyof Figures, of: 'first_tokens' | 'durations'): number | null => {
    const [all, counted] = [sum(total), sum(of)];
    return all === null || !counted ? null : all / counted;
  };
  return {
    answers: sum('messages') ?? 0,
    tokensIn: sum('tokens_in'),
    tokensOut: sum('tokens_out'),
    costMicros: sum('cost_micros'),
    withoutTokens: sum('without_tokens') ?? 0,
    withoutPrice: sum('without_price') ?? 0,
    averageTimeToFirstTokenMs: mean('first_token_ms', 'first_tokens'),
    averageDurationMs: mean('duration_ms', 'durations'),
  };
}
