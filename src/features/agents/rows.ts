import { ParleyError } from '../../base/errors.ts';
import type { AgentSessionsTable, Queries, SessionAgentsTable, WriteQueries } from '../../base/storage/index.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { partyOf, type Message, type Parties } from '../../core/conversations/index.ts';
import { flagsOf } from './classifier/classify.ts';
import type { Agent, AgentMessage, AgentNeeds, AgentRun, AgentSession, Transcript } from './types.ts';

/** A session's row with what stands beside it. */
export interface SessionRow extends AgentSessionsTable {
  title: string;
}

/** @throws {ParleyError} `not_found`, `forbidden` for whoever takes no part */
export async function openSession({ conversations, ...needs }: Pick<AgentNeeds, 'storage' | 'conversations' | 'transcripts'>, viewer: Viewer, sessionId: string): Promise<AgentSession> {
  const conversation = await conversations.get(viewer, sessionId).catch(sayWhich);
  const [session] = await sessionsOf(needs, [conversation.id]);
  if (!session) throw unknownSession();
  return session;
}

function sayWhich(thrown: unknown): never {
  if (thrown instanceof ParleyError && thrown.code === 'not_found') throw unknownSession();
  if (thrown instanceof ParleyError && thrown.code === 'forbidden') throw new ParleyError('forbidden', { message: 'You take no part in this session.' });
  throw thrown;
}

export function unknownSession(): ParleyError {
  return new ParleyError('not_found', { message: 'Session not found' });
}

/** Sessions with their agents, in the order of the ids. */
export async function sessionsOf({ storage, transcripts }: Pick<AgentNeeds, 'storage' | 'transcripts'>, ids: readonly string[]): Promise<AgentSession[]> {
  if (ids.length === 0) return [];
  const queries = storage.read;
  const rows = await queries
    .selectFrom('agent_sessions').innerJoin('conversations', 'conversations.id', 'agent_sessions.conversation_id')
    .selectAll('agent_sessions').select('conversations.title').where('agent_sessions.conversation_id', 'in', [...ids]).execute();
  const agents = await queries.selectFrom('session_agents').selectAll().where('conversation_id', 'in', [...ids]).orderBy('place').execute();
  const kept = transcripts ? await transcripts.stateOf(rows.filter(({ status }) => status === 'ended').map((row) => row.conversation_id)) : null;
  const found = new Map<string, AgentSession>();
  for (const row of rows) {
    const id = row.conversation_id;
    found.set(id, toSession(row, agents.filter((agent) => agent.conversation_id === id), {
      messageCount: await countSaid(queries, row),
      costMicros: await costOf(queries, id),
      runReplies: row.run_id === null ? 0 : await repliesOfRun(queries, id, row.run_id),
      transcript: kept?.get(id) ?? noTranscript,
    }));
  }
  return ids.flatMap((id) => found.get(id) ?? []);
}

const noTranscript: Transcript = { submitted: false, transactions: [] };

/** What is counted of a session, and what stands elsewhere. */
type Counted = Pick<AgentSession, 'messageCount' | 'costMicros' | 'transcript'> & { runReplies: number };

function toSession(row: SessionRow, agents: readonly SessionAgentsTable[], { messageCount, costMicros, runReplies, transcript }: Counted): AgentSession {
  return {
    id: row.conversation_id,
    ownerId: row.owner_id,
    title: row.title,
    agents: [toAgent(agents[0]!), toAgent(agents[1]!)],
    status: row.status,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    messageCount,
    limits: { turns: row.most_turns, depth: row.most_depth, milliseconds: row.most_ms, costMicros: row.most_cost_micros },
    turns: row.turns,
    costMicros,
    run: row.run_id === null ? null : { id: row.run_id, state: row.run_state ?? 'ended', turnsLeft: Math.max(0, row.run_turns - runReplies), reason: row.run_reason as AgentRun['reason'] },
    transcript,
  };
}

function toAgent({ account_id: accountId, role, model, prompt }: SessionAgentsTable): Agent {
  return { accountId, role, model, prompt };
}

/**
 * What was said to its end in a session. What a model still said when the session ended is no part of it: it ends behind the
 * end of the session.
 */
function said(queries: Queries | WriteQueries, session: Pick<AgentSessionsTable, 'conversation_id' | 'ended_at'>) {
  let query = queries.selectFrom('messages')
    .where('conversation_id', '=', session.conversation_id).where('status', '=', 'DELIVERED').where('role', 'in', ['user', 'assistant']).where('content', '<>', '');
  if (session.ended_at !== null) query = query.where('ended_at', '<=', session.ended_at);
  return query;
}

async function countSaid(queries: Queries | WriteQueries, session: Pick<AgentSessionsTable, 'conversation_id' | 'ended_at'>): Promise<number> {
  const row = await said(queries, session).select((builder) => builder.fn.countAll<number>().as('count')).executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Replies of a run that were made, or are being made; those that broke off with their server are not counted. */
export async function repliesOfRun(queries: Queries | WriteQueries, sessionId: string, runId: string): Promise<number> {
  const row = await queries.selectFrom('messages').select((builder) => builder.fn.countAll<number>().as('count'))
    .where('conversation_id', '=', sessionId).where('role', '=', 'assistant').where('status', 'in', ['DELIVERED', 'PROCESSING', 'QUEUED']).where('metadata', 'like', `%"runId":"${runId}"%`).executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Messages of a session and the characters in them. */
export async function sizeOf(queries: Queries | WriteQueries, sessionId: string): Promise<{ messages: number; characters: number }> {
  const row = await said(queries, { conversation_id: sessionId, ended_at: null })
    .select((builder) => [builder.fn.countAll<number>().as('messages'), builder.fn.sum<number | null>(builder.fn('length', ['content'])).as('characters')])
    .executeTakeFirstOrThrow();
  return { messages: Number(row.messages), characters: Number(row.characters ?? 0) };
}

/** Micro-dollars of all replies of a session whose price is known. */
export async function costOf(queries: Queries | WriteQueries, sessionId: string): Promise<number> {
  const row = await queries.selectFrom('messages').select((builder) => builder.fn.sum<number | null>('cost_micros').as('cost')).where('conversation_id', '=', sessionId).executeTakeFirst();
  return Number(row?.cost ?? 0);
}

const columns = ['id', 'seq', 'role', 'content', 'metadata', 'model', 'tokens_in', 'tokens_out', 'duration_ms', 'created_at', 'ended_at'] as const;

/** A message with its place in the order of being whole. */
export interface PlacedMessage {
  message: AgentMessage;
  place: Place;
}

/** When something was whole, and, for what was whole at the same time, the order of making. */
export interface Place {
  at: number;
  seq: number;
}

export function isBehind(place: Place, other: Place): boolean {
  return place.at > other.at || (place.at === other.at && place.seq > other.seq);
}

/** Which messages: so many, behind a place, without the first ones. */
export interface MessageRange {
  limit: number;
  offset?: number;
  behind?: Place;
  newestFirst?: boolean;
}

/** Messages in the order in which they were whole: a page from the front, or the newest first from the end. */
export async function readSaid(queries: Queries | WriteQueries, session: Pick<AgentSession, 'id' | 'agents' | 'endedAt'>, page: MessageRange): Promise<PlacedMessage[]> {
  const direction = page.newestFirst ? 'desc' : 'asc';
  let query = said(queries, { conversation_id: session.id, ended_at: session.endedAt });
  const { behind } = page;
  if (behind) query = query.where((where) => where.or([where('ended_at', '>', behind.at), where.and([where('ended_at', '=', behind.at), where('seq', '>', behind.seq)])]));
  const rows = await query.select(columns).orderBy('ended_at', direction).orderBy('seq', direction).limit(page.limit).offset(page.offset ?? 0).execute();
  return rows.map((row) => ({
    place: { at: row.ended_at ?? row.created_at, seq: row.seq },
    message: toAgentMessage(session.agents, {
      id: row.id, role: row.role, content: row.content, model: row.model, tokensIn: row.tokens_in, tokensOut: row.tokens_out, durationMs: row.duration_ms,
      createdAt: row.created_at, endedAt: row.ended_at, metadata: row.metadata === null ? null : (JSON.parse(row.metadata) as Record<string, unknown>),
    }),
  }));
}

/** Whose messages are those of people and models that name no agent: they came by another dialect. */
export function unnamedOf(agents: readonly [Agent, Agent]): Pick<Parties, 'user' | 'assistant'> {
  return { user: agents[0].accountId, assistant: agents[1].accountId };
}

/** Whether a model here has made it, and nobody has sent it. */
export function isReply({ role, metadata }: Pick<Message, 'role' | 'metadata'>): boolean {
  return role === 'assistant' && metadata?.['sentBy'] !== 'ai';
}

type Told = Pick<Message, 'id' | 'role' | 'content' | 'metadata' | 'model' | 'tokensIn' | 'tokensOut' | 'durationMs' | 'createdAt' | 'endedAt'>;

export function toAgentMessage(agents: readonly [Agent, Agent], message: Told): AgentMessage {
  const from = partyOf(message, unnamedOf(agents));
  const base = { id: message.id, from, text: message.content, at: message.endedAt ?? message.createdAt };
  if (!isReply(message)) return { ...base, sentBy: message.role === 'assistant' ? 'ai' : 'user', reply: null };
  const slash = message.model?.indexOf('/') ?? -1;
  const role = message.metadata?.['agentRole'];
  return {
    ...base,
    sentBy: 'ai',
    reply: {
      model: message.model === null ? null : message.model.slice(slash + 1),
      provider: message.model === null || slash < 0 ? null : message.model.slice(0, slash),
      durationMs: message.durationMs,
      tokens: message.tokensIn === null || message.tokensOut === null ? null : message.tokensIn + message.tokensOut,
      role: typeof role === 'string' ? role : (agents.find((agent) => agent.accountId === from)?.role ?? ''),
      ...flagsOf(message.content),
    },
  };
}
