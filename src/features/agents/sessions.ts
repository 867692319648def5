import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { noModel } from '../../core/conversations/index.ts';
import { accountId } from './account-ids.ts';
import { defaultRole } from './instructions.ts';
import { limitsOf } from './limits.ts';
import { openSession, sessionsOf } from './rows.ts';
import type { Agent, AgentNeeds, AgentSession, AgentSettings, NewAgent, NewSession } from './types.ts';

/** Most rows of a list. */
const mostListed = 1000;

export async function createSession(needs: AgentNeeds, settings: AgentSettings, viewer: Viewer, made: NewSession): Promise<AgentSession> {
  const agents = [agentOf(made.agents[0]), agentOf(made.agents[1])] as const;
  if (agents[0].accountId === agents[1].accountId) throw new ParleyError('invalid_request', { message: 'A session has two different agents.', parameter: 'agent2Id' });
  const limits = limitsOf(made.limits, settings.limits);
  const title = made.title ?? agents.map(({ accountId: id, role }) => `${role} (${id})`).join(' and ');
  const conversation = await needs.conversations.create(viewer, { title, model: noModel, isPrivate: true, isLinear: true, origin: 'agent-chat' }, async (queries, id, now) => {
    await queries.insertInto('agent_sessions').values({
      conversation_id: id, owner_id: viewer.userId, status: 'active', started_at: now, ended_at: null, turns: 0, most_turns: limits.turns, most_depth: limits.depth,
      most_ms: limits.milliseconds, most_cost_micros: limits.costMicros, run_id: null, run_state: null, run_turns: 0, run_reason: null,
    }).execute();
    await queries.insertInto('session_agents').values(
      agents.map((agent, index) => ({ conversation_id: id, place: index === 0 ? (1 as const) : (2 as const), account_id: agent.accountId, role: agent.role, model: agent.model, prompt: agent.prompt })),
    ).execute();
  });
  return (await sessionsOf(needs, [conversation.id]))[0]!;
}

function agentOf({ accountId: id, role, model, prompt }: NewAgent): Agent {
  return { accountId: accountId(id), role: role?.trim() || defaultRole, model: model ?? null, prompt: prompt ?? null };
}

export async function listSessions(needs: AgentNeeds, viewer: Viewer, { limit, offset, status }: { limit: number; offset: number; status?: AgentSession['status'] }): Promise<AgentSession[]> {
  let query = needs.storage.read.selectFrom('agent_sessions').innerJoin('conversations', 'conversations.id', 'agent_sessions.conversation_id').select('conversation_id')
    .where('agent_sessions.owner_id', '=', viewer.userId).where('conversations.archived_at', 'is', null).where('conversations.trashed_at', 'is', null);
  if (status !== undefined) query = query.where('status', '=', status);
  const rows = await query.orderBy('started_at', 'desc').orderBy('conversation_id', 'desc').limit(Math.min(limit, mostListed)).offset(offset).execute();
  return sessionsOf(needs, rows.map((row) => row.conversation_id));
}

export { openSession };
