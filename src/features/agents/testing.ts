import { systemClock } from '../../base/clock.ts';
import type { Bus } from '../../base/events/index.ts';
import { silentLog } from '../../base/observability/index.ts';
import type { TestStorage } from '../../base/storage/testing.ts';
import { startConversations, type ScriptedModels } from '../../core/conversations/testing.ts';
import { createAgents } from './service.ts';
import type { AgentEvent, AgentNeeds, Agents } from './types.ts';

export const one = '0.0.6154098';
export const two = '0.0.6153500';

/** One instance over a database: conversations with a scripted model, and the agents upon them. */
export async function startAgents({ storage }: Pick<TestStorage, 'storage'>, options: Partial<Pick<AgentNeeds, 'transcripts' | 'settings' | 'clock'>> & { models?: ScriptedModels; bus?: Bus } = {}) {
  const { models, bus, ...rest } = options;
  const house = await startConversations(storage, { ...(models ? { models } : {}), ...(bus ? { bus } : {}) });
  const accounts: AgentNeeds['accounts'] = {
    async user(id) {
      const row = await storage.read.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
      return row ? { id, username: row.username, email: null, name: null, role: row.role, claimed: true, createdAt: row.created_at, disabledAt: row.disabled_at } : null;
    },
  };
  const agents = createAgents({ storage, conversations: house.conversations, jobs: house.jobs, accounts, clock: systemClock, log: silentLog(), ...rest });
  return { ...house, agents };
}

/** A client that remembers what it was told, and waits for what it will be. */
export function listen(agents: Agents, viewer: Parameters<Agents['connect']>[0]) {
  const told: AgentEvent[] = [];
  const given = new Set<AgentEvent>();
  const looks = new Set<() => void>();
  const client = agents.connect(viewer, (event) => {
    told.push(event);
    for (const look of looks) look();
  });
  const next = <Kind extends AgentEvent['kind']>(kind: Kind): Promise<Extract<AgentEvent, { kind: Kind }>> =>
    new Promise((resolve) => {
      const look = (): void => {
        const event = told.find((candidate) => candidate.kind === kind && !given.has(candidate));
        if (!event) return;
        given.add(event);
        looks.delete(look);
        resolve(event as Extract<AgentEvent, { kind: Kind }>);
      };
      looks.add(look);
      look();
    });
  return { client, told, next };
}
