import { z } from 'zod';
import { ParleyError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Job, JobRun } from '../../base/jobs/index.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Message } from '../../core/conversations/index.ts';
import { lockActive, Skipped } from './deciding.ts';
import { defaultRunTurns, mostRunTurns } from './limits.ts';
import { openSession, readSaid, repliesOfRun, sessionsOf } from './rows.ts';
import { reply, say } from './speaking.ts';
import type { Agents, AgentNeeds, AgentSession, AgentSettings, RunReason } from './types.ts';

const kind = 'agents-run';
const payloadForm = z.object({ sessionId: z.string(), runId: z.string() });

/** Times in a row that a run begins anew because something came between, or an instance died. */
const mostTries = 10;
/** Milliseconds between two looks at a reply of somebody else, for which a run waits. */
const lookMs = 250;

/** Agents that talk by themselves: each reply is begun by a job, which another instance takes up when this one dies. */
export function createRuns(needs: AgentNeeds, settings: AgentSettings): Pick<Agents, 'run' | 'pauseRun' | 'stopRun'> {
  needs.jobs.register(kind, (job, jobRun) => talk(needs, job, jobRun), settings.runsAtOnce);
  return {
    async run(viewer, sessionId, { turns, message }) {
      if (turns !== undefined && (!Number.isInteger(turns) || turns < 1 || turns > mostRunTurns)) throw new ParleyError('invalid_request', { message: `turns must be a whole number from 1 to ${mostRunTurns}.`, parameter: 'turns' });
      const session = await owned(needs, viewer, sessionId);
      if (session.run?.state === 'running') throw talking();
      if (message !== undefined) await say(needs, viewer, session, { agentId: session.agents[0].accountId, text: message, sentBy: 'user' });
      else if (session.messageCount === 0) throw new ParleyError('conflict', { message: 'Nothing was said yet that could be answered: send "message".' });
      await begin(needs, viewer, sessionId, turns);
      return openSession(needs, viewer, sessionId);
    },
    async pauseRun(viewer, sessionId) {
      await owned(needs, viewer, sessionId);
      if (!(await setState(needs, sessionId, ['running'], 'paused', 'paused'))) throw new ParleyError('conflict', { message: 'The agents do not talk by themselves.' });
      return openSession(needs, viewer, sessionId);
    },
    async stopRun(viewer, sessionId) {
      const { run } = await owned(needs, viewer, sessionId);
      if (run) {
        await setState(needs, sessionId, ['running', 'paused'], 'ended', 'stopped');
        for (const id of await repliesOf(needs, sessionId, run.id)) await needs.conversations.cancel(viewer, id);
      }
      return openSession(needs, viewer, sessionId);
    },
  };
}

/** @throws {ParleyError} `forbidden` for anyone but the owner: a run spends what is theirs */
async function owned(needs: AgentNeeds, viewer: Viewer, sessionId: string): Promise<AgentSession> {
  const session = await openSession(needs, viewer, sessionId);
  if (session.ownerId !== viewer.userId) throw new ParleyError('forbidden', { message: 'Only the session owner can let the agents talk' });
  return session;
}

function talking(): ParleyError {
  return new ParleyError('conflict', { message: 'The agents talk by themselves already.' });
}

/** A new name for every beginning: whatever still works under an older one finds that it is over. */
async function begin({ storage, jobs }: AgentNeeds, viewer: Viewer, sessionId: string, turns: number | undefined): Promise<void> {
  const runId = newId();
  await storage.write(async (queries) => {
    const row = await lockActive(queries, sessionId);
    if (row.run_state === 'running') throw talking();
    const left = row.run_state === 'paused' && row.run_id !== null ? row.run_turns - (await repliesOfRun(queries, sessionId, row.run_id)) : defaultRunTurns;
    await queries.updateTable('agent_sessions').set({ run_id: runId, run_state: 'running', run_turns: Math.max(1, turns ?? left), run_reason: null }).where('conversation_id', '=', sessionId).execute();
    await jobs.add(queries, { kind, userId: viewer.userId, payload: { sessionId, runId } });
  });
}

async function setState({ storage }: AgentNeeds, sessionId: string, from: readonly ('running' | 'paused')[], state: 'paused' | 'ended', reason: RunReason, runId?: string): Promise<boolean> {
  const changed = await storage.write((queries) => {
    let query = queries.updateTable('agent_sessions').set({ run_state: state, run_reason: reason }).where('conversation_id', '=', sessionId).where('run_state', 'in', [...from]);
    if (runId !== undefined) query = query.where('run_id', '=', runId);
    return query.executeTakeFirst();
  });
  return Number(changed.numUpdatedRows) > 0;
}

/** Replies of a run that are waiting or being made. */
async function repliesOf({ storage }: AgentNeeds, sessionId: string, runId?: string): Promise<string[]> {
  const turns = await storage.read.selectFrom('turns').innerJoin('messages', 'messages.id', 'turns.message_id').select(['messages.id', 'messages.metadata']).where('turns.conversation_id', '=', sessionId).execute();
  return turns.filter(({ metadata }) => runId === undefined || (metadata !== null && (JSON.parse(metadata) as Record<string, unknown>)['runId'] === runId)).map(({ id }) => id);
}

/** The job: one reply after another, until something ends the run. May begin at any point of it. */
async function talk(needs: AgentNeeds, job: Job, { signal }: JobRun): Promise<{ reason: RunReason | null }> {
  const { sessionId, runId } = payloadForm.parse(job.payload);
  const over = async (reason: RunReason): Promise<{ reason: RunReason }> => {
    await setState(needs, sessionId, ['running'], 'ended', reason, runId);
    return { reason };
  };
  for (let tries = 0; tries < mostTries; ) {
    signal.throwIfAborted();
    const [session] = await sessionsOf(needs, [sessionId]);
    if (session?.status !== 'active' || session.run?.id !== runId || session.run.state !== 'running') return { reason: session?.run?.reason ?? null };
    const viewer = await viewerOf(needs, session.ownerId);
    if (!viewer) return over('not-allowed');
    // What was begun before a restart, and what somebody else has triggered.
    if ((await waitForReplies(needs, viewer, sessionId, signal)) === 'waited') continue;
    if (session.run.turnsLeft < 1) return over('turns-done');
    const step = await nextReply(needs, viewer, session, runId, signal);
    if (step === 'again') tries += 1;
    else if (step === 'said') tries = 0;
    else return over(step);
  }
  return over('generation-failed');
}

/** The owner, in whose name and on whose account the agents talk; null when they may not any more. */
async function viewerOf({ accounts }: AgentNeeds, userId: string): Promise<Viewer | null> {
  const user = await accounts.user(userId);
  if (!user || user.disabledAt !== null) return null;
  return { userId, username: user.username, role: user.role, scopes: ['read', 'write', 'chat'], via: 'internal', credentialId: null, expiresAt: null };
}

async function waitForReplies(needs: AgentNeeds, viewer: Viewer, sessionId: string, signal: AbortSignal): Promise<'waited' | 'none'> {
  const [first] = await repliesOf(needs, sessionId);
  if (first === undefined) return 'none';
  await ended(needs, viewer, first, signal);
  return 'waited';
}

/** Begins the reply of whoever has not spoken last, and waits for it. */
async function nextReply(needs: AgentNeeds, viewer: Viewer, session: AgentSession, runId: string, signal: AbortSignal): Promise<'said' | 'again' | RunReason> {
  const [last] = await readSaid(needs.storage.read, session, { limit: 1, newestFirst: true });
  if (!last) return 'no-message-to-answer';
  const speaker = session.agents.find(({ accountId }) => accountId !== last.message.from)!;
  let answer: Message;
  try {
    answer = await reply(needs, viewer, session, speaker.accountId, runId);
  } catch (thrown) {
    // Somebody else spoke, or let somebody speak, in between.
    if (thrown instanceof Skipped) return thrown.reason === 'already-generating' || thrown.reason === 'loop-prevention' ? 'again' : thrown.reason;
    if (!(thrown instanceof ParleyError) || thrown.status >= 500) throw thrown;
    return thrown.code === 'conflict' ? 'again' : 'not-allowed';
  }
  const { status, content } = await ended(needs, viewer, answer.id, signal);
  if (status === 'DELIVERED' && content !== '') return 'said';
  // The instance that made it died: another one makes it anew.
  if (status === 'INTERRUPTED') return 'again';
  return status === 'CANCELLED' ? 'stopped' : 'generation-failed';
}

/** The reply, when it has ended. @throws when the job is to stop: the reply goes on without it */
async function ended({ conversations, clock }: AgentNeeds, viewer: Viewer, id: string, signal: AbortSignal): Promise<Pick<Message, 'status' | 'content'>> {
  for (;;) {
    const began = clock.monotonic();
    for await (const batch of conversations.attach(viewer, id, 0, signal)) if (batch.at(-1)?.kind === 'end') break;
    signal.throwIfAborted();
    const message = await conversations.message(viewer, id);
    if (message.endedAt !== null) return message;
    if (clock.monotonic() - began < lookMs) await new Promise((resolve) => setTimeout(resolve, lookMs).unref());
  }
}
