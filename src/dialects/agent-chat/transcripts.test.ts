import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyTranscript, type SealedTranscript } from '../../features/ledger/index.ts';
import { openSocketIo, startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';

const one = '0.0.6154098';
const two = '0.0.6153500';
const list = '/api/agent-chat/sessions';
const ledger = '/api/agent-chat/ledger';

describe('Transcripts over the wire', () => {
  let server: TestServer;
  let ann: TestUser;
  let bob: TestUser;

  beforeAll(async () => {
    server = await startTestServer({ settings: { LIMIT_MESSAGES_PER_HOUR: '100000' } });
    ann = await server.user('ann');
    bob = await server.user('bob');
    server.models.answerWith(['What is your budget?']);
  });
  afterAll(async () => {
    await server.stop();
  });

  /** A session with what was said in it: by people, and by a model. */
  async function talk(messages = ['Hello', 'Two weeks in Japan, please.']): Promise<string> {
    const made = await server.request('POST', list, { as: ann, body: { agent1Id: one, agent2Id: two, agent2Role: 'travel' } });
    const sessionId: string = made.json.data.sessionId;
    const socket = await openSocketIo(server, { namespace: '/agent-chat', auth: { token: ann.token } });
    await socket.ask('agent-join-session', { sessionId, agentAccountId: one });
    for (const message of messages) await socket.ask('user-send-message-on-behalf', { sessionId, agentId: one, message });
    await socket.ask('trigger-ai-response', { sessionId, agentAccountId: two });
    await socket.next('ai-response-generated');
    socket.close();
    return sessionId;
  }

  async function ended(): Promise<string> {
    const sessionId = await talk();
    expect((await server.request('DELETE', `${list}/${sessionId}`, { as: ann })).json).toEqual({ success: true, data: { sessionId, ended: true, transcriptSubmitted: false, transcriptTransactions: [] } });
    return sessionId;
  }

  const file = (sessionId: string, as: TestUser | null = ann) => server.request('GET', `${list}/${sessionId}/transcript`, as ? { as } : {});
  const keys = async (): Promise<Json> => (await server.request('GET', `${ledger}/keys`)).json;
  const check = async (body: Json, as: TestUser = bob): Promise<Json> => (await server.request('POST', `${ledger}/check`, { as, body })).json.data;

  it('are there when a session was ended by DELETE, as a file that is checked offline; an altered message is named', async () => {
    const sessionId = await ended();
    const answer = await file(sessionId);
    expect([answer.status, answer.headers.get('content-disposition')]).toEqual([200, `attachment; filename="transcript-${sessionId}.json"`]);
    expect(await verifyTranscript(answer.text, await keys(), { session: sessionId })).toMatchObject({ verdict: 'valid', messages: 3 });
    const sealed = answer.json as SealedTranscript;
    expect(sealed.entries[0]!.record).toMatchObject({ kind: 'session', metadata: { agents: [{ account: one, role: 'assistant' }, { account: two, role: 'travel' }] } });
    expect(sealed.entries.slice(1).map(({ record }) => (record.kind === 'message' ? [record.from, record.text, record.metadata['sentBy']] : []))).toEqual([
      [one, 'Hello', 'user'], [one, 'Two weeks in Japan, please.', 'user'], [two, expect.any(String), 'ai'],
    ]);
    const altered = answer.text.replace('Two weeks', 'Ten years');
    expect(await verifyTranscript(altered, await keys())).toMatchObject({ verdict: 'altered', first: { position: 2 } });
  });

  it('are there when a session was ended over its socket, and seal what the history says', async () => {
    const sessionId = await talk(['Hello']);
    const socket = await openSocketIo(server, { namespace: '/agent-chat', auth: { token: ann.token } });
    await socket.ask('agent-join-session', { sessionId, agentAccountId: one });
    await socket.ask('end-session', { sessionId });
    expect(await socket.next('session-ended')).toEqual({ sessionId, transcriptSubmitted: false });
    await socket.ask('get-conversation-history', { sessionId, force: true });
    await socket.next('conversation-history');
    const history = (await socket.next('conversation-history')) as Json[];
    socket.close();
    const sealed = (await file(sessionId)).json as SealedTranscript;
    expect(await verifyTranscript(sealed, await keys())).toMatchObject({ verdict: 'valid' });
    expect(sealed.entries.slice(1).map(({ record }) => (record.kind === 'message' ? { from: record.from, message: record.text, timestamp: record.sent_at } : null)))
      .toEqual(history.map(({ from, message, timestamp }) => ({ from, message, timestamp })));
  });

  it('say how they stand, and are handed over again by their owner', async () => {
    const sessionId = await ended();
    const standing = { success: true, data: { sessionId, sealed: true, submitted: false, nextTryAt: null, anchors: [{ anchor: 'log', state: 'done', place: expect.any(String), parts: 1, problem: null, transactions: [] }] } };
    expect((await server.request('GET', `${list}/${sessionId}/transcript/anchors`, { as: ann })).json).toEqual(standing);
    expect((await server.request('POST', `${list}/${sessionId}/transcript/anchors`, { as: ann })).json).toEqual(standing);
  });

  it('are made at the end: before, there is none', async () => {
    const sessionId = await talk();
    for (const [method, path] of [['GET', ''], ['GET', '/anchors'], ['POST', '/anchors']] as const) {
      expect((await server.request(method, `${list}/${sessionId}/transcript${path}`, { as: ann })).json).toMatchObject({ success: false, status: 409 });
    }
  });

  it('are sealed when they are first asked for, of sessions that ended before there was a ledger', async () => {
    const sessionId = await talk();
    await server.parts.storage.write((queries) => queries.updateTable('agent_sessions').set({ status: 'ended', ended_at: Date.now() }).where('conversation_id', '=', sessionId).execute());
    expect((await server.request('GET', `${list}/${sessionId}/transcript/anchors`, { as: ann })).json.data).toMatchObject({ sealed: false, anchors: [] });
    expect(await verifyTranscript((await file(sessionId)).text, await keys())).toMatchObject({ verdict: 'valid' });
  });

  it('of foreign sessions are not there, and of those without a token nothing is told', async () => {
    const sessionId = await ended();
    for (const [method, path] of [['GET', ''], ['GET', '/anchors'], ['POST', '/anchors']] as const) {
      const address = (id: string): string => `${list}/${id}/transcript${path}`;
      const foreign = await server.request(method, address(sessionId), { as: bob });
      expect([foreign.status, foreign.json]).toEqual([404, { success: false, message: 'Session not found', status: 404 }]);
      const nobodys = await server.request(method, address('3f0c9c1e-6a54-4a53-9a0e-0d3c0f5f8a11'), { as: bob });
      expect(nobodys.text).toBe(foreign.text);
      expect((await server.request(method, address(sessionId))).status).toBe(401);
    }
  });

  it('stay their owner\'s when the conversation is deleted, and go with the account', async () => {
    const sessionId = await ended();
    const viewer = { userId: ann.userId, role: 'user' as const };
    await server.parts.storage.write((queries) => queries.deleteFrom('conversations').where('id', '=', sessionId).execute());
    expect(await verifyTranscript((await file(sessionId)).text, await keys())).toMatchObject({ verdict: 'valid' });
    expect((await file(sessionId, bob)).status).toBe(404);
    expect(await server.ledger.transcript(viewer, sessionId)).not.toBeNull();
  });

  it('are read by whoever takes part, and handed over again by their owner alone', async () => {
    const sessionId = await talk();
    const guest = { conversation_id: sessionId, user_id: bob.userId, role: 'MEMBER' as const, can_send_messages: 1, can_upload_files: 0, message_count: 0, joined_at: Date.now(), last_read_at: null, pinned_at: null };
    await server.parts.storage.write((queries) => queries.insertInto('participants').values(guest).execute());
    await server.request('DELETE', `${list}/${sessionId}`, { as: ann });
    expect(await verifyTranscript((await file(sessionId, bob)).text, await keys())).toMatchObject({ verdict: 'valid' });
    expect((await server.request('GET', `${list}/${sessionId}/transcript/anchors`, { as: bob })).json.data).toMatchObject({ sealed: true });
    expect((await server.request('POST', `${list}/${sessionId}/transcript/anchors`, { as: bob })).status).toBe(403);
  });

  describe('The ledger', () => {
    it('tells everybody its public keys, its head, and that it only grew', async () => {
      await ended();
      const { json } = await server.request('GET', `${ledger}/keys`);
      expect(json).toEqual(await server.ledger.keys());
      expect(JSON.stringify(json)).not.toContain('private');
      const { head } = (await server.request('GET', `${ledger}/head`)).json.data;
      expect(head).toEqual(await server.ledger.head());
      expect((await server.request('GET', `${ledger}/witness?size=1`)).json).toEqual(await server.ledger.witness(1));
      expect((await server.request('GET', `${ledger}/witness`)).json).toMatchObject({ head, other: null });
    });

    it.each(['0', '-1', '1.5', 'x', '1e99', '99999999'])('has no head of the size %s', async (size) => {
      expect((await server.request('GET', `${ledger}/witness?size=${size}`)).json).toMatchObject({ success: false, status: 400 });
    });
  });

  describe('A file', () => {
    it('is checked with the verdicts of parley verify', async () => {
      const sessionId = await ended();
      const { text } = await file(sessionId);
      expect(await check({ file: text, session: sessionId })).toEqual(await verifyTranscript(text, await keys(), { session: sessionId }));
      expect(await check({ file: text.replace('Hello', 'Goodbye') })).toMatchObject({ verdict: 'altered', first: { what: 'altered', position: 1 } });
      expect(await check({ file: text, session: 'another' })).toMatchObject({ verdict: 'replayed' });
      expect(await check({ file: text, against: text, witness: JSON.stringify(await server.ledger.witness(1)) })).toMatchObject({ verdict: 'valid' });
      expect(await check({ file: '{}' })).toMatchObject({ verdict: 'malformed', session: null });
    });

    it.each([
      ['without a file', {}], ['with no text', { file: 7 }], ['of a session without a name', { file: 'x', session: '' }], ['with a witness that is none', { file: '{}', witness: 'no witness' }], ['with a second copy that is none', { file: '{}', against: 'no copy' }],
      ['as a text', 'text'], ['with a witness that is too long', { file: 'x', witness: 'x'.repeat(100_001) }],
    ])('is not checked %s', async (_, body) => {
      const answer = await server.request('POST', `${ledger}/check`, { as: bob, body });
      expect(answer.json).toMatchObject({ success: false, status: 400 });
    });

    it('that is too large is refused before it is read', async () => {
      const answer = await server.request('POST', `${ledger}/check`, { as: bob, raw: `{"file":"${'x'.repeat(32_000_000)}"}`, headers: { 'content-type': 'application/json' } });
      expect(answer.json).toMatchObject({ success: false, status: 413 });
    });

    it('is checked for whoever has an account', async () => {
      expect((await server.request('POST', `${ledger}/check`, { body: { file: '{}' } })).status).toBe(401);
    });
  });
});
