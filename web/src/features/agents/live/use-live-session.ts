import { useQueryClient } from '@tanstack/react-query';
import { io } from 'socket.io-client';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { sessionQuery } from '../api.ts';
import type { AgentSession } from '../types.ts';
import { LiveSession, type LiveSocket, type LiveView } from './live-session.ts';

const nothingYet: LiveView = { phase: 'connecting', problem: null, messages: null, thinking: [], note: null, isOwner: true };
const nobody = (): (() => void) => () => {};

/** Follows a session as long as it goes on and is drawn. What was heard stays when it has ended. */
export function useLiveSession({ sessionId, agents, status }: AgentSession): { live: LiveSession | null; view: LiveView } {
  const queries = useQueryClient();
  const [live, setLive] = useState<LiveSession | null>(null);
  const [one, two] = [agents[0].agentId, agents[1].agentId];
  const isActive = status === 'active';
  useEffect(() => {
    if (!isActive) return;
    // One address for everything: the page's own server, by a socket and nothing else.
    const socket = io('/agent-chat', { transports: ['websocket'], forceNew: true, autoConnect: false, reconnectionDelay: 300, reconnectionDelayMax: 10_000 });
    const session = new LiveSession(sessionId, [one, two], socket as LiveSocket, () => void queries.invalidateQueries(sessionQuery(sessionId)));
    setLive(session);
    return () => session.close();
  }, [queries, sessionId, one, two, isActive]);
  const view = useSyncExternalStore(live?.subscribe ?? nobody, () => live?.view ?? nothingYet);
  return { live, view };
}
