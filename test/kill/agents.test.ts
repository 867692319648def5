import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSocketIo, type Json, type TestSocketIo } from '../../src/dialects/testing.ts';
import { openServer, type OneServer } from './one-server.ts';

const [one, two] = ['0.0.6154098', '0.0.6153500'];

describe('A server that is killed while a program chats and two agents talk', () => {
  let folder: string;
  let server: OneServer;
  const sockets: TestSocketIo[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'parley-agents-'));
    server = await openServer(folder);
  });
  afterAll(async () => {
    for (const socket of sockets) socket.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  /** Without a credential: the owner of the machine. */
  async function connect(namespace: string): Promise<TestSocketIo> {
    const socket = await openSocketIo({ port: Number(new URL((await server.process().ready)!).port) }, { namespace });
    sockets.push(socket);
    return socket;
  }
  const get = async (path: string): Promise<Json> => (await server.ask('GET', path)).body;
  const said = async (id: string): Promise<Json[]> => (await get(`/api/agent-chat/sessions/${id}/messages`)).data.messages;
  const history = async (id: string): Promise<[string, string][]> => (await get(`/api/ai/conversations/${id}`)).conversation.messages.map(({ role, content }: Json) => [role, content]);

  it('keeps what it has told, goes on with the run to the turns that were asked for, and answers anew', async () => {
    const chat = await connect('/');
    const { conversation_id: conversationId } = await chat.ask('start_conversation', { user_id: 'a program' });
    const first = await chat.ask('chat_message', { message: 'q1 what was first?', conversation_id: conversationId });
    expect(first).toMatchObject({ success: true, message_count: 2 });

    const agents = await connect('/agent-chat');
    const { sessionId } = ((await server.ask('POST', '/api/agent-chat/sessions', { agent1Id: one, agent2Id: two })).body as Json).data;
    await agents.ask('agent-join-session', { sessionId, agentAccountId: one });
    server.upstream.pace(4);
    expect((await server.ask('POST', `/api/agent-chat/sessions/${sessionId}/run`, { turns: 3, message: 'q2 who begins?' })).status).toBe(202);
    chat.socket.emit('chat_message', { message: 'q3 what is next?', conversation_id: conversationId });
    await chat.next('chat_message', ({ message }) => message.startsWith('q3'));
    const told = await agents.next('ai-response-generated');
    await agents.next('ai-thinking', ({ agentId }) => agentId === one);
    const [before, answersBefore] = [await said(sessionId), server.upstream.answers.size];
    expect(before.at(-1)).toMatchObject({ from: two, message: told.message });

    await server.stop('SIGKILL');
    server.upstream.pace(0);
    await server.start();

    await expect.poll(async () => (await get(`/api/agent-chat/sessions/${sessionId}`)).data.run, { timeout: 20_000 }).toMatchObject({ state: 'ended', reason: 'turns-done', turnsLeft: 0 });
    const after = await said(sessionId);
    expect(after.map(({ from }) => from)).toEqual([one, two, one, two]);
    expect(after.slice(0, before.length)).toEqual(before);
    expect(server.upstream.answers.size).toBeGreaterThan(answersBefore);

    const kept = await history(conversationId);
    expect(kept.slice(0, 3)).toEqual([['user', 'q1 what was first?'], ['assistant', first.response], ['user', 'q3 what is next?']]);
    const again = await connect('/');
    const next = await again.ask('chat_message', { message: 'q4 and now?', conversation_id: conversationId });
    expect(next).toMatchObject({ success: true, context_used: true });
    expect((await history(conversationId)).slice(-2)).toEqual([['user', 'q4 and now?'], ['assistant', next.response]]);
    expect((await get('/api/ai/chat/statistics')).statistics.active_conversations).toBeGreaterThan(0);
  });
});
