import { z } from 'zod';
import type { AgentSession, NewSession, SessionLimits } from '../../features/agents/index.ts';
import { takeFrom, viewerFrom, type DialectScope } from '../shared/index.ts';
import type { AgentChatParts } from './parts.ts';
import { createBody, endedAnswer, listQuery, messageAnswer, messagesQuery, runBody, sessionAnswer, sessionPath, succeeded } from './schemas.ts';
import { endedShape, messageShape, sessionShape } from './shapes.ts';

const list = '/api/agent-chat/sessions';
const one = `${list}/:sessionId`;

/** Ends a session; beside it, as additions, everything that the document leaves out: making, listing, reading, running. */
export function registerSessions(scope: DialectScope, parts: AgentChatParts): void {
  const { agents } = parts;
  scope.delete(
    one,
    { schema: { summary: 'Ends a session and submits its transcript', description: 'Ended once more, a transcript that was not submitted is tried again.', params: sessionPath, response: { 200: succeeded(endedAnswer) } } },
    async (request) => succeed(endedShape(await agents.end(viewerFrom(request), request.params.sessionId))),
  );
  scope.post(
    list,
    { schema: { summary: 'Addition: makes a session of two agents', body: createBody, response: { 201: succeeded(sessionAnswer) } } },
    async (request, reply) => reply.code(201).send(shown(await agents.create(viewerFrom(request), newSession(request.body)))),
  );
  scope.get(
    list,
    { schema: { summary: "Addition: the user's own sessions, the newest first", querystring: listQuery, response: { 200: succeeded(z.array(sessionAnswer)) } } },
    async (request) => {
      const { status, ...page } = request.query;
      return succeed((await agents.list(viewerFrom(request), { ...page, ...(status === undefined ? {} : { status }) })).map(sessionShape));
    },
  );
  scope.get(
    one,
    { schema: { summary: 'Addition: one session, also one that has ended', params: sessionPath, response: { 200: succeeded(sessionAnswer) } } },
    async (request) => shown(await agents.get(viewerFrom(request), request.params.sessionId)),
  );
  scope.get(
    `${one}/messages`,
    {
      schema: {
        summary: 'Addition: messages of a session in order', params: sessionPath, querystring: messagesQuery,
        response: { 200: succeeded(z.object({ totalMessages: z.int(), nextStartIndex: z.int(), hasMore: z.boolean(), messages: z.array(messageAnswer) })) },
      },
    },
    async (request) => {
      const { startIndex, batchSize } = request.query;
      const { messages, total } = await agents.messages(viewerFrom(request), request.params.sessionId, startIndex, batchSize);
      const next = Math.min(startIndex, total) + messages.length;
      return succeed({ totalMessages: total, nextStartIndex: next, hasMore: next < total, messages: messages.map(messageShape) });
    },
  );
}

/** Additions by which agents talk by themselves. */
export function registerRuns(scope: DialectScope, parts: AgentChatParts): void {
  const { agents, settings } = parts;
  scope.post(
    `${one}/run`,
    { schema: { summary: 'Addition: lets the agents talk by themselves, within limits', params: sessionPath, body: runBody.optional(), response: { 202: succeeded(sessionAnswer) } } },
    async (request, reply) => {
      const viewer = viewerFrom(request);
      await takeFrom(parts, { name: 'messages', count: settings.limits.messagesPerHour, windowMs: 3_600_000 }, viewer.userId);
      const { turns, message } = request.body ?? {};
      const session = await agents.run(viewer, request.params.sessionId, { ...(turns === undefined ? {} : { turns }), ...(message === undefined ? {} : { message }) });
      return reply.code(202).send(shown(session));
    },
  );
  scope.post(
    `${one}/pause`,
    { schema: { summary: 'Addition: lets the reply in the making end; goes on with run', params: sessionPath, response: { 200: succeeded(sessionAnswer) } } },
    async (request) => shown(await agents.pauseRun(viewerFrom(request), request.params.sessionId)),
  );
  scope.post(
    `${one}/stop`,
    { schema: { summary: 'Addition: ends the run, and breaks the reply in the making off', params: sessionPath, response: { 200: succeeded(sessionAnswer) } } },
    async (request) => shown(await agents.stopRun(viewerFrom(request), request.params.sessionId)),
  );
}

function succeed<Data>(data: Data): { success: true; data: Data } {
  return { success: true, data };
}

function shown(session: AgentSession) {
  return succeed(sessionShape(session));
}

function newSession(body: z.output<typeof createBody>): NewSession {
  const { limits, title } = body;
  const given: Partial<SessionLimits> = {
    ...(limits?.turns === undefined ? {} : { turns: limits.turns }),
    ...(limits?.depth === undefined ? {} : { depth: limits.depth }),
    ...(limits?.minutes === undefined ? {} : { milliseconds: Math.round(limits.minutes * 60_000) }),
    ...(limits?.cost === undefined ? {} : { costMicros: Math.round(limits.cost * 1_000_000) }),
  };
  const agent = (accountId: string, role: string | undefined, model: string | undefined, prompt: string | undefined) => ({
    accountId, ...(role === undefined ? {} : { role }), model: model ?? null, prompt: prompt ?? null,
  });
  return {
    agents: [agent(body.agent1Id, body.agent1Role, body.agent1Model, body.agent1Prompt), agent(body.agent2Id, body.agent2Role, body.agent2Model, body.agent2Prompt)],
    limits: given,
    ...(title === undefined ? {} : { title }),
  };
}
