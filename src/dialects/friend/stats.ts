import { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import type { ProcessUsage } from '../../base/observability/index.ts';
import { requireAdmin, viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';

/** Milliseconds since its last use for which a sign-in counts as active. */
const activeMs = 30 * 60_000;

/** Sign-ins that are listed. */
const mostListed = 1000;

const statsAnswer = z.object({
  active_sessions: z.int().describe('Sign-ins used in the last 30 minutes'),
  session_info: z.array(z.object({ user_id: z.string(), created_at: z.string(), last_accessed: z.string() })).describe(`The ${mostListed} used last`),
  total_users: z.int(),
  total_conversations: z.int(),
  total_messages: z.int(),
  database_size_mb: z.number().describe('Of 1,000,000 bytes, on the disk'),
  memory_usage_mb: z.number().describe('Of 1,000,000 bytes, resident, of this process'),
  cpu_usage_percent: z.number().describe('Of one processor, by this process, over the last seconds'),
  requests_per_minute: z.int().describe('Requests that this process has answered in the last 60 seconds'),
});

/** Figures of the running server, for administrators. */
export function registerStats(scope: DialectScope, parts: DialectParts, usage: ProcessUsage): void {
  const { accounts, clock, conversations, metrics, storage } = parts;
  scope.get('/stats', { schema: { summary: 'Figures of the server. Administrators only', response: { 200: statsAnswer } } }, async (request) => {
    const viewer = viewerFrom(request);
    requireAdmin(viewer);
    const [active, totals, bytes] = await Promise.all([accounts.activeSessions(viewer, activeMs, mostListed), conversations.totals(viewer), storage.sizeBytes()]);
    return {
      active_sessions: active.count,
      session_info: active.sessions.map((session) => ({ user_id: session.username, created_at: isoTime(session.createdAt), last_accessed: isoTime(session.lastUsedAt) })),
      total_users: totals.users,
      total_conversations: totals.conversations,
      total_messages: totals.messages,
      database_size_mb: inMegabytes(bytes),
      memory_usage_mb: inMegabytes(usage.memoryBytes()),
      cpu_usage_percent: Math.round(usage.processorPercent() * 10) / 10,
      requests_per_minute: metrics.recentRequests.count(clock.monotonic()),
    };
  });
}

function inMegabytes(bytes: number): number {
  return Math.round(bytes / 100_000) / 10;
}
