import { mostInBatch } from './limits.ts';
import { readSaid, sessionsOf, type Place } from './rows.ts';
import type { AgentMessage, AgentNeeds, SessionRecord } from './types.ts';

/** @returns null for a session that has not ended, or is gone */
export async function recordOf(needs: AgentNeeds, sessionId: string): Promise<SessionRecord | null> {
  const [session] = await sessionsOf(needs, [sessionId]);
  if (session?.status !== 'ended') return null;
  const messages: AgentMessage[] = [];
  let behind: Place | undefined;
  for (;;) {
    const page = await readSaid(needs.storage.read, session, { limit: mostInBatch, ...(behind ? { behind } : {}) });
    messages.push(...page.map(({ message }) => message));
    behind = page.at(-1)?.place;
    if (page.length < mostInBatch) return { session, messages };
  }
}
