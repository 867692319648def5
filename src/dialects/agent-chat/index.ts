import { registerScope, scopeByMethod, type App, type Guard } from '../shared/index.ts';
import { agentChatDialect } from './errors.ts';
import { registerEvents } from './events.ts';
import type { AgentChatParts } from './parts.ts';
import { registerRuns, registerSessions } from './sessions.ts';
import { registerLedger, registerTranscripts } from './transcripts.ts';

export type { SessionTranscripts } from './parts.ts';

/** Two agents talk: the Socket.IO namespace /agent-chat, and sessions at /api/agent-chat. */
export function registerAgentChat(app: App, parts: AgentChatParts): void {
  const guard: Guard = {
    policy: { localTrust: false, cookie: true, csrf: 'same-origin' },
    limit: { name: 'requests', get count() { return parts.settings.limits.requestsPerMinute; }, windowMs: 60_000 },
    scope: scopeByMethod,
  };
  registerScope(app, parts, agentChatDialect, guard, (scope) => {
    registerSessions(scope, parts);
    registerRuns(scope, parts);
    registerTranscripts(scope, parts);
  });
  registerScope(app, parts, agentChatDialect, null, (scope) => registerLedger(scope, parts));
  registerEvents(app, parts);
}
