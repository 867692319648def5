import { queryOptions } from '@tanstack/react-query';
import { request } from '../../shared/api/index.ts';
import { defaultModel } from './presets.ts';
import type { AgentMessage, AgentSession, NewAgent, NewSession } from './types.ts';

const base = '/api/agent-chat/sessions';

/** Sessions of one page of the list. */
export const pageSize = 50;
/** Messages of one batch of a session that is read at once. */
const batchSize = 1000;

interface Answer<Data> {
  data: Data;
}

export const sessionsKey = ['agent-sessions'];

/** One session. What happens in it is heard over its socket; this is read again whenever it does. */
export const sessionQuery = (id: string) =>
  queryOptions({
    queryKey: ['agent-session', id],
    queryFn: async () => (await request<Answer<AgentSession>>('GET', `${base}/${encodeURIComponent(id)}`)).data,
  });

export async function fetchSessions(offset: number): Promise<AgentSession[]> {
  return (await request<Answer<AgentSession[]>>('GET', `${base}?limit=${pageSize}&offset=${offset}`)).data;
}

/** All messages of a session, in order: for one that has ended, into which no socket may go. */
export async function fetchMessages(id: string): Promise<AgentMessage[]> {
  const messages: AgentMessage[] = [];
  for (;;) {
    const { data } = await request<Answer<{ messages: AgentMessage[]; hasMore: boolean }>>('GET', `${base}/${encodeURIComponent(id)}/messages?startIndex=${messages.length}&batchSize=${batchSize}`);
    messages.push(...data.messages);
    if (!data.hasMore || data.messages.length === 0) return messages;
  }
}

export async function createSession({ title, agents: [one, two], limits }: NewSession): Promise<AgentSession> {
  const body = { ...numbered(1, one), ...numbered(2, two), ...(title.trim() === '' ? {} : { title: title.trim() }), limits };
  return (await request<Answer<AgentSession>>('POST', base, { body })).data;
}

/** The fields of one agent, as the server names them: `agent1Id`, `agent1Role`, ... */
function numbered(place: 1 | 2, { agentId, role, model, prompt }: NewAgent): Record<string, string> {
  const fields: Record<string, string> = { Id: agentId.trim(), Role: role.trim(), Prompt: prompt.trim() };
  if (model !== defaultModel) fields['Model'] = model;
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== '').map(([name, value]) => [`agent${place}${name}`, value]));
}

/** Lets the agents talk by themselves. @param message said first, in the name of the first agent */
export async function runSession(id: string, turns: number | null, message: string | null): Promise<AgentSession> {
  return act(id, 'run', { ...(turns === null ? {} : { turns }), ...(message === null ? {} : { message }) });
}

export async function act(id: string, what: 'run' | 'pause' | 'stop', body: object = {}): Promise<AgentSession> {
  return (await request<Answer<AgentSession>>('POST', `${base}/${encodeURIComponent(id)}/${what}`, { body })).data;
}

/** Ends a session for good. Waits for its transcript for a while. */
export async function endSession(id: string): Promise<void> {
  await request('DELETE', `${base}/${encodeURIComponent(id)}`);
}

/** Where something of a transcript is kept for proof. */
export interface Anchor {
  anchor: 'log' | 'hedera';
  state: 'pending' | 'partial' | 'done' | 'failed';
  /** The network, or the id of the log. */
  place: string;
  parts: number | null;
  problem: string | null;
  transactions: { part: number; transactionId: string; url: string | null }[];
}

export interface Anchors {
  sealed: boolean;
  submitted: boolean;
  anchors: Anchor[];
  /** When the server tries again by itself; null when it does not. */
  nextTryAt: string | null;
}

export const anchorsQuery = (id: string) =>
  queryOptions({
    queryKey: ['agent-anchors', id],
    queryFn: async () => (await request<Answer<Anchors>>('GET', `${transcriptAddress(id)}/anchors`)).data,
  });

/** Tries the anchors that are not done again. The server waits for them for a while. */
export async function anchorAgain(id: string): Promise<Anchors> {
  return (await request<Answer<Anchors>>('POST', `${transcriptAddress(id)}/anchors`, { timeoutMs: 60_000 })).data;
}

/** Address of the sealed file of a session that has ended. */
export function transcriptAddress(id: string): string {
  return `${base}/${encodeURIComponent(id)}/transcript`;
}
