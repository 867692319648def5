import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Message } from '../../core/conversations/index.ts';
import { decide, requireRoom, type RunId } from './deciding.ts';
import { instructionsFor } from './instructions.ts';
import { longestMessage } from './limits.ts';
import { toAgentMessage, unnamedOf } from './rows.ts';
import type { Agent, AgentMessage, AgentNeeds, AgentSession } from './types.ts';

/** Counted under this name in the usage. */
const dialect = 'agent-chat';

/** @throws {ParleyError} `invalid_request` for an agent that is none of the two */
export function agentsOf(session: AgentSession, agentId: string): { agent: Agent; other: Agent } {
  const [first, second] = session.agents;
  if (agentId === first.accountId) return { agent: first, other: second };
  if (agentId === second.accountId) return { agent: second, other: first };
  throw new ParleyError('invalid_request', { message: `${agentId} is no agent of this session.`, parameter: 'agentId' });
}

/**
 * Writes down what an agent says, or a person in its name. No model is asked.
 * @throws {ParleyError} `empty_message`, `invalid_request`, `conflict` for a session that has ended or is full, `forbidden`
 */
export async function say({ conversations }: AgentNeeds, viewer: Viewer, session: AgentSession, said: { agentId: string; text: string; sentBy: 'user' | 'ai' }): Promise<AgentMessage> {
  const { agent } = agentsOf(session, said.agentId);
  if (said.text.length > longestMessage) throw new ParleyError('invalid_request', { message: `A message has at most ${longestMessage} characters.`, parameter: 'message' });
  if (session.status === 'ended') throw new ParleyError('conflict', { message: 'The session has ended.' });
  const stored = await conversations.append(viewer, session.id, {
    role: said.sentBy === 'user' ? 'user' : 'assistant',
    content: said.text,
    party: agent.accountId,
    metadata: { sentBy: said.sentBy },
    check: (queries) => requireRoom(queries, session.id),
  });
  return toAgentMessage(session.agents, stored);
}

/**
 * Begins a reply of an agent.
 * @throws {Skipped} where it may not speak now @throws {ParleyError} `conflict`, and as `Conversations.speak`
 */
export async function reply({ conversations, storage }: AgentNeeds, viewer: Viewer, session: AgentSession, agentId: string, runId: RunId): Promise<Message> {
  const { agent, other } = agentsOf(session, agentId);
  if (session.status === 'ended') throw new ParleyError('conflict', { message: 'The session has ended.' });
  const now = await storage.now();
  return conversations.speak(viewer, session.id, {
    parties: { speaker: agent.accountId, ...unnamedOf(session.agents) },
    model: agent.model,
    instructions: instructionsFor(agent, other),
    dialect,
    refuseBuiltin: true,
    metadata: { agentRole: agent.role, ...(runId === null ? {} : { runId }) },
    check: (queries) => decide(queries, session, agent.accountId, runId, now),
  });
}
