import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { openSocket, startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';

describe.each(engines)('Chats that are put away, on %s', (engine) => {
  let server: TestServer;
  let ann: TestUser;
  let bob: TestUser;
  beforeAll(async () => {
    server = await startTestServer({ engine });
    ann = await server.user('ann');
    bob = await server.user('bob');
    server.models.answerWith(['Hello ', 'there.']);
  });
  afterAll(() => server.stop());

  const chat = async (title: string): Promise<string> => (await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title, ai_model: 'default' } })).json.id;
  const act = (id: string, what: string, as = ann) => server.request('POST', `/api/v1/chat/chats/${id}/${what}`, { as });
  const list = async (query: string): Promise<Json[]> => (await server.request('GET', `/api/v1/chat/chats?${query}`, { as: ann })).json;

  it('answers 404 for an archived chat on every documented address, and lists it where it is asked for', async () => {
    const id = await chat('put away');
    const archived = await act(id, 'archive');
    expect(archived.status).toBe(200);
    expect(archived.json).toMatchObject({ id, archived_at: expect.stringMatching(/Z$/), trashed_at: null, pinned_at: null });
    const base = `/api/v1/chat/chats/${id}`;
    for (const [method, path, body] of [
      ['GET', base], ['GET', `${base}/participants`], ['POST', `${base}/typing`], ['POST', `${base}/messages`, { content: 'hello' }], ['PATCH', base, { title: 'x' }], ['POST', `${base}/pin`],
    ] as const) {
      const answer = await server.request(method, path, { as: ann, body });
      expect([answer.status, answer.json.detail], path).toEqual([404, 'Chat not found']);
    }
    expect((await list('limit=1000')).map((entry) => entry.id)).not.toContain(id);
    expect((await list('state=archived')).map((entry) => entry.id)).toEqual([id]);
    expect((await list('state=archived'))[0]).not.toHaveProperty('archived_at');
    expect((await list('state=archived&include=whole'))[0]).toMatchObject({ id, archived_at: archived.json.archived_at });
    expect((await act(id, 'restore')).json).toMatchObject({ archived_at: null });
    expect((await server.request('GET', base, { as: ann })).status).toBe(200);
  });

  it('moves a chat to the trash and back, and deletes it from there', async () => {
    const id = await chat('rubbish');
    expect((await act(id, 'trash')).json).toMatchObject({ trashed_at: expect.any(String) });
    expect((await list('state=trashed')).map((entry) => entry.id)).toEqual([id]);
    expect((await server.request('DELETE', `/api/v1/chat/chats/${id}`, { as: ann })).status).toBe(204);
    expect(await list('state=trashed')).toEqual([]);
    expect((await act(id, 'restore')).status).toBe(404);
  });

  it('pins for the reader alone, in the whole form, and lists what is pinned', async () => {
    const id = await chat('important');
    expect((await act(id, 'pin')).json.pinned_at).toEqual(expect.any(String));
    expect((await list('pinned=true')).map((entry) => entry.id)).toEqual([id]);
    expect((await list('pinned=false')).map((entry) => entry.id)).not.toContain(id);
    expect((await server.request('GET', `/api/v1/chat/chats/${id}?include=branches`, { as: ann })).json.chat.pinned_at).toEqual(expect.any(String));
    expect((await act(id, 'unpin')).json.pinned_at).toBeNull();
    expect((await server.request('GET', '/api/v1/chat/chats?state=gone', { as: ann })).json.detail[0].loc).toEqual(['query', 'state']);
    expect((await server.request('GET', '/api/v1/chat/chats?pinned=1', { as: ann })).json.detail[0].loc).toEqual(['query', 'pinned']);
  });

  it('lets nobody else put away, restore or pin', async () => {
    const id = await chat('mine');
    for (const what of ['archive', 'trash', 'restore', 'pin', 'unpin']) expect((await act(id, what, bob)).status, what).toBe(403);
    await act(id, 'trash');
    for (const what of ['archive', 'trash', 'restore', 'pin', 'unpin']) expect((await act(id, what, bob)).status, what).toBe(404);
  });

  it.each(['archive', 'trash'])('tells open sockets, and closes them with 4404: %s', async (what) => {
    const id = await chat('watched');
    const socket = await openSocket(server, `/api/v1/chat/chats/${id}/ws?token=${ann.token}`);
    await socket.next('welcome');
    await act(id, what);
    expect(await socket.next('chat_deleted')).toEqual({ type: 'chat_deleted', chat_id: id });
    expect(await socket.closed).toMatchObject({ code: 4404 });
    const refused = await openSocket(server, `/api/v1/chat/chats/${id}/ws?token=${ann.token}`);
    expect(await refused.closed).toMatchObject({ code: 4404 });
    await act(id, 'restore');
    const again = await openSocket(server, `/api/v1/chat/chats/${id}/ws?token=${ann.token}`);
    await again.next('welcome');
    await server.request('POST', `/api/v1/chat/chats/${id}/messages`, { as: ann, body: { content: 'Hi' } });
    expect((await again.next('ai_response_complete')).message.content).toBe('Hello there.');
    await act(id, 'pin');
    await server.request('PATCH', `/api/v1/chat/chats/${id}`, { as: ann, body: { title: 'renamed' } });
    const updated = await again.next('chat_updated', (frame) => frame.chat.title === 'renamed');
    expect(updated.chat).not.toHaveProperty('pinned_at');
    again.close();
  });
});
