import { ParleyError } from '../../base/errors.ts';
import type { AgentSessionsTable, WriteQueries } from '../../base/storage/index.ts';
import { partyOf } from '../../core/conversations/index.ts';
import { longestHistory, mostMessages } from './limits.ts';
import { costOf, readSaid, repliesOfRun, sizeOf, unknownSession, unnamedOf } from './rows.ts';
import type { AgentSession, SkipReason } from './types.ts';

/** An agent that was triggered says nothing: no error, and nothing has happened. */
export class Skipped extends Error {
  readonly reason: SkipReason;

  constructor(reason: SkipReason) {
    super(reason);
    this.name = 'Skipped';
    this.reason = reason;
  }
}

/** A run under whose name a reply is begun, as it stood when that was decided; or null where somebody triggers it. */
export type RunId = string | null;

/** The row, which nobody else changes until the transaction ends. @throws {ParleyError} `conflict` for one that has ended */
export async function lockActive(queries: WriteQueries, sessionId: string): Promise<AgentSessionsTable> {
  const row = await queries.selectFrom('agent_sessions').selectAll().where('conversation_id', '=', sessionId).forUpdate().executeTakeFirst();
  if (!row) throw unknownSession();
  if (row.status === 'ended') throw new ParleyError('conflict', { message: 'The session has ended.' });
  return row;
}

/** @throws {ParleyError} `conflict` for a session that has ended or is full */
export async function requireRoom(queries: WriteQueries, sessionId: string): Promise<void> {
  await lockActive(queries, sessionId);
  const { messages, characters } = await sizeOf(queries, sessionId);
  if (messages >= mostMessages || characters >= longestHistory) throw new ParleyError('conflict', { message: 'The session is full: end it, and begin another.' });
}

/**
 * Decides in the transaction that would begin a reply whether it may begin, and counts it.
 * @throws {Skipped} where it may not @throws {ParleyError} `conflict` for a session, or a run, that is over
 */
export async function decide(queries: WriteQueries, session: AgentSession, speaker: string, runId: RunId, now: number): Promise<void> {
  const row = await lockActive(queries, session.id);
  if (runId !== null && (row.run_id !== runId || row.run_state !== 'running' || (await repliesOfRun(queries, session.id, runId)) >= row.run_turns)) throw new ParleyError('conflict', { message: 'The agents do not talk by themselves any more.' });
  const last = (await readSaid(queries, session, { limit: row.most_depth, newestFirst: true })).map(({ message }) => message);
  if (last.length === 0) throw new Skipped('no-message-to-answer');
  // It would answer itself.
  if (last[0]!.from === speaker) throw new Skipped('loop-prevention');
  // A run is somebody's word that they may go on, and has a bound of its own.
  if (runId === null && last.length >= row.most_depth && last.every(({ sentBy }) => sentBy === 'ai')) throw new Skipped('loop-prevention');
  if (await isGenerating(queries, session, speaker, runId !== null)) throw new Skipped('already-generating');
  if (row.turns >= row.most_turns) throw new Skipped('turn-limit');
  if (now - row.started_at >= row.most_ms) throw new Skipped('time-limit');
  const cost = await costOf(queries, session.id);
  if (cost > 0 && cost >= row.most_cost_micros) throw new Skipped('cost-limit');
  const { messages, characters } = await sizeOf(queries, session.id);
  if (messages >= mostMessages || characters >= longestHistory) throw new Skipped('turn-limit');
  await queries.updateTable('agent_sessions')
    .set({ turns: row.turns + 1 }).where('conversation_id', '=', session.id).execute();
}

/** Whether a reply of this agent, or of any, is waiting or being made. */
async function isGenerating(queries: WriteQueries, { id, agents }: AgentSession, speaker: string, ofAny: boolean): Promise<boolean> {
  const turns = await queries.selectFrom('turns').innerJoin('messages', 'messages.id', 'turns.message_id').select(['messages.role', 'messages.metadata']).where('turns.conversation_id', '=', id).execute();
  return turns.some(({ role, metadata }) => ofAny || partyOf({ role, metadata: metadata === null ? null : (JSON.parse(metadata) as Record<string, unknown>) }, unnamedOf(agents)) === speaker);
}
