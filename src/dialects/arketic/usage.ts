import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import type { Bounds, BudgetState, BudgetSubject } from '../../core/budgets/index.ts';
import { requireAdmin, viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { budgetAnswer, budgetPath, budgetRequest, budgetsAnswer, budgetsQuery, usageAnswer, usageQuery } from './usage-schemas.ts';

const budgetUrl = '/api/v1/chat/budgets/:subject/:subject_id/:period';

/** What was used, and what may be. Everybody reads the own; administrators read all and set. */
export function registerUsage(scope: DialectScope, { budgets }: DialectParts): void {
  scope.get('/api/v1/chat/usage', { schema: { summary: 'What was used, by day, model, key or user', querystring: usageQuery, response: { 200: usageAnswer } } }, async (request) => {
    const { group_by: groupBy, from, to, user_id: whose } = request.query;
    const lines = await budgets.usage(viewerFrom(request), {
      groupBy, userId: userOf(whose), ...(from === undefined ? {} : { from: Date.parse(from) }), ...(to === undefined ? {} : { to: Date.parse(to) }),
    });
    return {
      usage: lines.map((line) => ({
        group: line.group, label: line.label, calls: line.calls, tokens: { input: line.tokensIn, output: line.tokensOut }, cost_usd: dollars(line.costMicros),
        calls_without_tokens: line.callsWithoutTokens, calls_without_price: line.callsWithoutPrice,
      })),
    };
  });
  scope.get('/api/v1/chat/budgets', { schema: { summary: 'Budgets and what is left of them', querystring: budgetsQuery, response: { 200: budgetsAnswer } } }, async (request) => ({
    budgets: (await budgets.list(viewerFrom(request), userOf(request.query.user_id))).map(budgetShape),
  }));

  const adminOnly = { onRequest: async (request: FastifyRequest) => requireAdmin(viewerFrom(request)) };
  scope.put(
    budgetUrl,
    { ...adminOnly, schema: { summary: 'Sets the budget of a user or of a key', params: budgetPath, body: budgetRequest, response: { 200: budgetAnswer } } },
    async (request) => {
      const { requests, tokens, cost_usd: cost } = request.body;
      const bounds = { requests, tokens, costMicros: cost === null ? null : Math.round(cost * 1e6) };
      return budgetShape(await budgets.set(viewerFrom(request), subjectOf(request.params), request.params.period, bounds));
    },
  );
  scope.delete(budgetUrl, { ...adminOnly, schema: { summary: 'Removes the budget of a user or of a key', params: budgetPath } }, async (request, reply) => {
    await budgets.remove(viewerFrom(request), subjectOf(request.params), request.params.period);
    return reply.code(204).send();
  });
}

/** `all` means everybody. */
function userOf(whose: string | undefined): string | null | undefined {
  return whose === 'all' ? null : whose;
}

function subjectOf(path: z.output<typeof budgetPath>): BudgetSubject {
  return { kind: path.subject === 'users' ? 'user' : 'key', id: path.subject_id };
}

function budgetShape({ subject, label, userId, period, source, bounds, used, reserved, resetsAt }: BudgetState): z.output<typeof budgetAnswer> {
  const left = (kind: keyof Bounds): number | null => (bounds[kind] === null ? null : Math.max(0, bounds[kind] - used[kind] - reserved[kind]));
  return {
    subject: subject.kind, subject_id: subject.id, label, user_id: userId, period, source,
    bounds: amounts(bounds), used: amounts(used), reserved: amounts(reserved),
    left: amounts({ requests: left('requests'), tokens: left('tokens'), costMicros: left('costMicros') }),
    resets_at: isoTime(resetsAt),
  };
}

function amounts({ requests, tokens, costMicros }: Bounds): { requests: number | null; tokens: number | null; cost_usd: number | null } {
  return { requests, tokens, cost_usd: costMicros === null ? null : dollars(costMicros) };
}

function dollars(micros: number): number {
  return micros / 1e6;
}
