import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { openSession, sessionsOf } from './rows.ts';
import type { AgentNeeds, AgentSession, AgentSettings, TranscriptKeeper } from './types.ts';

/** Ends sessions, and hands their transcripts over. */
export interface Ending {
  /** @returns the session, and whether it was this call that ended it. @throws {ParleyError} as `Agents.end` */
  end(viewer: Viewer, sessionId: string): Promise<{ session: AgentSession; hasEndedNow: boolean }>;
  /** Transcripts that are being handed over here. */
  readonly pending: number;
}

export function createEnding(needs: AgentNeeds, settings: AgentSettings): Ending {
  const { conversations, transcripts } = needs;
  /** By session: who ends one twice at the same time waits for the same. */
  const pending = new Map<string, Promise<void>>();

  const handOver = (keeper: TranscriptKeeper, sessionId: string): Promise<void> => {
    const known = pending.get(sessionId);
    if (known) return known;
    const done = (async () => {
      // Whoever ended it at the same time may be done by now, and has handed it over.
      const [session] = await sessionsOf(needs, [sessionId]);
      if (session && !session.transcript.submitted) await keeper.handOver(sessionId);
    })().finally(() => pending.delete(sessionId));
    pending.set(sessionId, done);
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
      // The session has ended, whatever becomes of the transcript; what is not done in time goes on, and is there next time.
      if (transcripts && !before.transcript.submitted) await within(settings.transcriptMs, handOver(transcripts, sessionId));
      const [session] = await sessionsOf(needs, [sessionId]);
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
async function close({ conversations, transcripts }: AgentNeeds, viewer: Viewer, sessionId: string): Promise<boolean> {
  let wasOpen = false;
  await conversations.close(viewer, sessionId, async (queries, now) => {
    const row = await queries.selectFrom('agent_sessions').select(['status', 'run_id']).where('conversation_id', '=', sessionId).forUpdate().executeTakeFirst();
    wasOpen = row?.status === 'active';
    if (!wasOpen) return;
    const over = row!.run_id === null ? {} : { run_state: 'ended' as const, run_reason: 'session-ended' };
    await queries.updateTable('agent_sessions').set({ status: 'ended', ended_at: now, ...over }).where('conversation_id', '=', sessionId).execute();
    await transcripts?.ended(queries, sessionId);
  });
  return wasOpen;
}

/** Resolves with the work, or when the time is over. */
async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds)));
  await Promise.race([work, late]);
  clearTimeout(timer);
}
