import { isoTime } from '../../base/clock.ts';
import type { AgentEvent, AgentMessage, AgentSession } from '../../features/agents/index.ts';
import type { z } from 'zod';
import { errorPayload } from './errors.ts';
import type { TranscriptProgress } from './parts.ts';
import type { endedAnswer, messageAnswer, progressAnswer, sessionAnswer } from './schemas.ts';

/** A message in the document's form. */
export function messageShape({ from, text, at, sentBy, reply }: AgentMessage): z.output<typeof messageAnswer> {
  return { from, message: text, timestamp: isoTime(at), metadata: reply ? replyShape(reply) : { sentBy, ...(sentBy === 'user' ? { onBehalfOf: from } : {}) } };
}

function replyShape(reply: NonNullable<AgentMessage['reply']>): Record<string, unknown> {
  const { containsQuestion, suggestsAction, requestsInformation, responseType } = reply;
  return {
    aiModel: reply.model, aiProvider: reply.provider, processingTime: reply.durationMs, tokensUsed: reply.tokens,
    containsQuestion, suggestsAction, requestsInformation, agentRole: reply.role, responseType,
  };
}

/** A session, as the additions of this dialect show it. */
export function sessionShape(session: AgentSession): z.output<typeof sessionAnswer> {
  const { limits, run, transcript } = session;
  return {
    sessionId: session.id,
    title: session.title,
    status: session.status,
    agents: session.agents.map(({ accountId, role, model, prompt }) => ({ agentId: accountId, role, model, prompt })),
    messageCount: session.messageCount,
    startTime: isoTime(session.startedAt),
    ...(session.endedAt === null ? {} : { endTime: isoTime(session.endedAt) }),
    limits: { turns: limits.turns, depth: limits.depth, minutes: limits.milliseconds / 60_000, cost: limits.costMicros / 1_000_000 },
    turns: session.turns,
    cost: session.costMicros / 1_000_000,
    run: run && { state: run.state, turnsLeft: run.turnsLeft, reason: run.reason },
    transcriptSubmitted: transcript.submitted,
    transcriptTransactions: transcript.transactions,
  };
}

export function endedShape({ id, status, transcript }: AgentSession): z.output<typeof endedAnswer> {
  return { sessionId: id, ended: status === 'ended', transcriptSubmitted: transcript.submitted, transcriptTransactions: transcript.transactions };
}

/** What a client is told, as the document names it. */
export function eventShape(event: AgentEvent): { event: string; payload: unknown } {
  switch (event.kind) {
    case 'joined':
      return { event: 'session-info', payload: { sessionId: event.sessionId, otherAgentId: event.otherAgentId, messageCount: event.messageCount } };
    case 'history':
      return { event: 'conversation-history', payload: event.messages.map(messageShape) };
    case 'history-cached':
      return { event: 'conversation-history-cached', payload: { message: 'Conversation history already sent to this client' } };
    case 'message':
      return { event: 'new-message', payload: messageShape(event.message) };
    case 'thinking':
      return { event: 'ai-thinking', payload: { agentId: event.agentId } };
    case 'response':
      return { event: 'ai-response-generated', payload: messageShape(event.message) };
    case 'skipped':
      return { event: 'ai-skip', payload: { agentId: event.agentId, reason: event.reason } };
    case 'trigger-failed':
      return { event: 'error', payload: errorPayload(event.error, 'trigger-ai-response') };
    case 'streamed':
      return { event: 'message-stream', payload: { ...messageShape(event.message), index: event.index, isLast: event.isLast } };
    case 'stream-complete': {
      const { kind: _, ...figures } = event;
      return { event: 'message-stream-complete', payload: figures };
    }
    case 'sent-on-behalf':
      return { event: 'message-sent-on-behalf', payload: { sessionId: event.sessionId, agentId: event.agentId, success: true } };
    case 'status':
      return { event: 'session-status', payload: statusShape(event.session) };
    case 'ended':
      return { event: 'session-ended', payload: { sessionId: event.sessionId, transcriptSubmitted: event.transcriptSubmitted } };
    case 'agent-joined':
      return { event: 'agent-joined', payload: { agentId: event.agentId } };
  }
}

function statusShape(session: AgentSession): unknown {
  const { sessionId, status, messageCount, startTime, endTime, transcriptSubmitted } = sessionShape(session);
  return { sessionId, status, messageCount, startTime, ...(endTime === undefined ? {} : { endTime }), transcriptSubmitted };
}

export function progressShape(sessionId: string, { isSealed, submitted, anchors, nextTryAt }: TranscriptProgress): z.output<typeof progressAnswer> {
  return {
    sessionId, sealed: isSealed, submitted, nextTryAt,
    anchors: anchors.map(({ transactions, ...anchor }) => ({ ...anchor, transactions: transactions.map(({ part, transaction_id: transactionId, url }) => ({ part, transactionId, url })) })),
  };
}
