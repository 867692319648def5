import { ParleyError } from '../../base/errors.ts';
import { SessionClient, type ClientParts } from './client.ts';
import { createEnding } from './ending.ts';
import { defaultSettings, mostInBatch } from './limits.ts';
import { openSession, readSaid } from './rows.ts';
import { createRuns } from './runs.ts';
import { recordOf } from './record.ts';
import { createSession, listSessions } from './sessions.ts';
import type { AgentNeeds, Agents, AgentSettings } from './types.ts';

/** Sessions in which two agents talk. */
export function createAgents(needs: AgentNeeds): Agents {
  const settings: AgentSettings = { ...defaultSettings, ...needs.settings };
  const ending = createEnding(needs, settings);
  const parts: ClientParts = { ...needs, ending, joined: new Set() };
  return {
    name: 'agents',
    create: (...given) => createSession(needs, settings, ...given),
    list: (...given) => listSessions(needs, ...given),
    get: (...given) => openSession(needs, ...given),
    async messages(viewer, sessionId, from, limit) {
      if (limit < 1 || limit > mostInBatch) throw new ParleyError('invalid_request', { message: `limit must be from 1 to ${mostInBatch}.` });
      const session = await openSession(needs, viewer, sessionId);
      const placed = await readSaid(needs.storage.read, session, { offset: from, limit });
      return { messages: placed.map(({ message }) => message), total: session.messageCount };
    },
    ...createRuns(needs, settings),
    record: (sessionId) => recordOf(needs, sessionId),
    end: async (viewer, sessionId) => (await ending.end(viewer, sessionId)).session,
    connect: (viewer, tell) => new SessionClient(parts, viewer, tell),
    get joined() {
      return parts.joined.size;
    },
    get pendingTranscripts() {
      return ending.pending;
    },
  };
}
