import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { openSession, sessionsOf } from './rows.ts';
import type { AgentNeeds, AgentSession, AgentSettings, Transcript } from './types.ts';

/** Ends sessions, and hands their transcripts over. */
export interface Ending {
  /** @returns the session, and whether it was this call that ended it. @throws {ParleyError} as `Agents.end` */
  end(viewer: Viewer, sessionId: string): Promise<{ session: AgentSession; hasEndedNow: boolean }>;
  /** Transcripts that are being handed over here. */
  readonly pending: number;
}

export function createEnding(needs: AgentNeeds, settings: AgentSettings): Ending {
  const { storage, conversations } = needs;
  /** By session: who ends one twice at the same time waits for the same. */
  const pending = new Map<string, Promise<void>>();

  const handOver = (session: AgentSession): Promise<void> => {
    const known = pending.get(session.id);
    if (known) return known;
    const done = transcribe(needs, session).finally(() => pending.delete(session.id));
    pending.set(session.id, done);
    return done;
  };

  return {
    get pending() {
      return pending.size;
    },
    async end(viewer, sessionId) {
      const before = await openSession(needs, viewer, sessionId).catch((thrown: unknown) => {
        throw thrown instanceof ParleyError && thrown.code === 'forbidden' ? notOwner() : thrown;
      });
      if (before.ownerId !== viewer.userId) throw notOwner();
      const hasEndedNow = before.status === 'active' && (await close(needs, viewer, sessionId));
      const [ended] = await sessionsOf(storage.read, [sessionId]);
      // The session has ended, whatever becomes of the transcript; what is not done in time goes on, and is there next time.
      if (ended && !ended.transcript.submitted) await within(settings.transcriptMs, handOver(ended));
      const [session = ended] = await sessionsOf(storage.read, [sessionId]);
      if (!session) throw new ParleyError('not_found', { message: 'Session not found' });
      if (hasEndedNow) conversations.note(sessionId, { kind: 'ended', transcriptSubmitted: session.transcript.submitted });
      return { session, hasEndedNow };
    },
  };
}

function notOwner(): ParleyError {
  return new ParleyError('forbidden', { message: 'Only the session owner can end the session' });
}

/** @returns whether it was open until now */
async function close({ conversations }: AgentNeeds, viewer: Viewer, sessionId: string): Promise<boolean> {
  let wasOpen = false;
  await conversations.close(viewer, sessionId, async (queries, now) => {
    const row = await queries.selectFrom('agent_sessions').select(['status', 'run_id']).where('conversation_id', '=', sessionId).forUpdate().executeTakeFirst();
    wasOpen = row?.status === 'active';
    if (!wasOpen) return;
    const over = row!.run_id === null ? {} : { run_state: 'ended' as const, run_reason: 'session-ended' };
    await queries.updateTable('agent_sessions').set({ status: 'ended', ended_at: now, transcript_state: 'pending', ...over }).where('conversation_id', '=', sessionId).execute();
  });
  return wasOpen;
}

/** Hands the transcript over and notes what came of it. Never throws: a session has ended whatever becomes of its transcript. */
async function transcribe({ storage, log, onEnded }: AgentNeeds, session: AgentSession): Promise<void> {
  try {
    const transcript: Transcript = onEnded ? await onEnded(session) : { submitted: false, transactions: [] };
    await storage.write((queries) =>
      queries.updateTable('agent_sessions')
        .set({ transcript_state: transcript.submitted ? 'submitted' : 'not-submitted', transcript_transactions: JSON.stringify(transcript.transactions) })
        .where('conversation_id', '=', session.id).execute(),
    );
  } catch (error) {
    log.error({ err: error, session: session.id }, 'the transcript of a session could not be handed over; ending the session again tries it again');
  }
}

/** Resolves with the work, or when the time is over. */
async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds)));
  await Promise.race([work, late]);
  clearTimeout(timer);
}
