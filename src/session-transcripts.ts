import { ParleyError } from './base/errors.ts';
import type { Log } from './base/observability/index.ts';
import type { Viewer } from './core/accounts/index.ts';
import type { SessionTranscripts } from './dialects/agent-chat/index.ts';
import { createAgents, type AgentMessage, type AgentNeeds, type Agents, type AgentSettings, type SessionRecord, type Transcript as TranscriptState, type TranscriptKeeper } from './features/agents/index.ts';
import { createHandingOver, createLedger, type AnchorRecord, type HandingOver, type HandingOverNeeds, type JsonObject, type Ledger, type LedgerNeeds, type LedgerSettings, type SealedTranscript, type Transcript } from './features/ledger/index.ts';

/*
 * Where agents and ledger meet: neither knows the other.
 */

/** Sessions of agents, and the ledger that keeps their transcripts: each is given of the other what it needs. */
export function createSessions(needs: Omit<AgentNeeds, 'settings' | 'transcripts'> & Omit<LedgerNeeds, 'settings'> & Pick<HandingOverNeeds, 'metrics'> & { settings: LedgerSettings & { agents: AgentSettings }; /** Of the ledger; default `log`. */ ledgerLog?: Log }) {
  const { settings, ledgerLog = needs.log } = needs;
  const ledger = createLedger({ ...needs, log: ledgerLog });
  const handingOver = createHandingOver({
    ...needs, log: ledgerLog, ledger,
    transcriptOf: async (id) => {
      const record = await agents.record(id);
      return record && transcriptOf(record);
    },
  });
  const agents: Agents = createAgents({ ...needs, settings: settings.agents, transcripts: keeperOf(ledger, handingOver) });
  return { ledger, handingOver, agents, transcripts: createSessionTranscripts({ agents, ledger, handingOver, waitMs: settings.agents.transcriptMs }) };
}

/**
 * What is sealed of a session that has ended. It never changes afterwards: titles may, and what a classifier says of a reply
 * may with its next version, so neither is in it. Prompts are their owner's alone.
 */
export function transcriptOf({ session, messages }: SessionRecord): Transcript {
  return {
    id: session.id, ownerId: session.ownerId, startedAt: session.startedAt, endedAt: session.endedAt ?? session.startedAt,
    metadata: { agents: session.agents.map(({ accountId, role }) => ({ account: accountId, role })) },
    messages: messages.map((message) => ({ id: message.id, from: message.from, text: message.text, sentAt: message.at, metadata: metadataOf(message) })),
  };
}

function metadataOf({ sentBy, reply }: AgentMessage): JsonObject {
  if (!reply) return { sentBy };
  return { sentBy, aiModel: reply.model, aiProvider: reply.provider, processingTime: reply.durationMs, tokensUsed: reply.tokens, agentRole: reply.role };
}

/** How agents hand their transcripts over. */
function keeperOf(ledger: Pick<Ledger, 'submissions'>, handingOver: HandingOver): TranscriptKeeper {
  return {
    ended: (queries, id) => handingOver.add(queries, id),
    handOver: (id) => handingOver.attempt(id),
    async stateOf(ids) {
      const known = await ledger.submissions(ids);
      return new Map([...known].map(([id, records]) => [id, stateOf(records)]));
    },
  };
}

function stateOf(records: readonly AnchorRecord[]): TranscriptState {
  return {
    submitted: records.some(({ state }) => state === 'done'),
    transactions: records.flatMap(({ transactions }) => transactions.map(({ transaction_id, url }) => ({ transactionId: transaction_id, hashscanUrl: url }))),
  };
}

/** Transcripts for whoever takes part in their sessions. */
function createSessionTranscripts(needs: { agents: Agents; ledger: Ledger; handingOver: HandingOver; waitMs: number }): SessionTranscripts {
  const { agents, ledger, handingOver, waitMs } = needs;
  /** @returns null where only the transcript is left, of a session of the viewer's that is gone. @throws {ParleyError} `not_found` */
  const open = async (viewer: Viewer, id: string): Promise<boolean | null> => {
    try {
      const { ownerId, status } = await agents.get(viewer, id);
      if (status === 'active') throw new ParleyError('conflict', { message: 'The session has not ended: its transcript is made at the end.' });
      return ownerId === viewer.userId;
    } catch (error) {
      if (!(error instanceof ParleyError) || (error.code !== 'not_found' && error.code !== 'forbidden')) throw error;
      const kept = await ledger.transcript({ userId: viewer.userId, role: 'user' }, id);
      if (kept) return null;
      throw new ParleyError('not_found', { message: 'Session not found' });
    }
  };
  const stateFor = async (id: string): ReturnType<SessionTranscripts['state']> => {
    const { sealed, anchors, nextTryAt } = await handingOver.stateOf(id);
    return { isSealed: sealed !== null, anchors, nextTryAt, submitted: stateOf(anchors.filter(({ anchor }) => anchor !== 'log')).submitted };
  };
  return {
    async file(viewer, id): Promise<SealedTranscript> {
      await open(viewer, id);
      const sealed = await handingOver.seal(id);
      if (!sealed) throw new ParleyError('not_found', { message: 'Session not found' });
      return sealed;
    },
    async state(viewer, id) {
      await open(viewer, id);
      return await stateFor(id);
    },
    async tryAgain(viewer, id) {
      if ((await open(viewer, id)) === false) throw new ParleyError('forbidden', { message: 'Only the session owner can hand the transcript over' });
      await Promise.race([handingOver.attempt(id), wait(waitMs)]);
      return await stateFor(id);
    },
  };
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
