import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSocket, openSocketIo, startTestServer, type Json, type TestServer, type TestUser } from './testing.ts';

/*
 * Who may do what in a chat of several people, by every address that names one: docs/arketic.md has the table for people.
 */

/** What somebody is in the chat. `muted`: a member whose right to send was taken. `gone`: taken out. */
const roles = ['owner', 'admin', 'member', 'muted', 'gone', 'stranger'] as const;
type RoleInChat = (typeof roles)[number];

/** A private group with a question of its owner, its answer, and somebody of each role. */
interface Chat {
  id: string;
  questionId: string;
  answerId: string;
  answerNumber: number;
  /** A member and an admin beside those who ask. */
  other: { member: string; admin: string; owner: string };
}

/** One thing to do, and who may. Who may not is refused with 403, or, where the dialect hides what it does not show, with 404. */
interface Deed {
  method: string;
  /** With the parts of the chat in braces. */
  path: string;
  body?: object;
  may: readonly RoleInChat[];
  /** What those who may are answered. Default: any status below 300. */
  answered?: Partial<Record<RoleInChat, number>>;
  hides?: true;
}

const inside: readonly RoleInChat[] = ['owner', 'admin', 'member', 'muted'];
const senders: readonly RoleInChat[] = ['owner', 'admin', 'member'];
const managers: readonly RoleInChat[] = ['owner', 'admin'];
const owner: readonly RoleInChat[] = ['owner'];

const chatUrl = '/api/v1/chat/chats/{chat}';
const everyone = (status: number): Partial<Record<RoleInChat, number>> => Object.fromEntries(roles.map((role) => [role, status]));

const deeds: Deed[] = [
  { method: 'GET', path: chatUrl, may: inside },
  { method: 'PATCH', path: chatUrl, body: { title: 'Another' }, may: managers },
  { method: 'PATCH', path: chatUrl, body: { ai_model: 'openai/gpt-4o', system_prompt: 'Be brief.' }, may: managers },
  { method: 'DELETE', path: chatUrl, may: owner },
  { method: 'GET', path: `${chatUrl}/participants`, may: inside },
  { method: 'POST', path: `${chatUrl}/participants`, body: { username: 'somebody' }, may: managers },
  { method: 'PATCH', path: `${chatUrl}/participants/{member}`, body: { can_send_messages: false }, may: managers },
  { method: 'PATCH', path: `${chatUrl}/participants/{member}`, body: { role: 'ADMIN' }, may: owner },
  { method: 'PATCH', path: `${chatUrl}/participants/{member}`, body: { role: 'OWNER' }, may: owner },
  { method: 'PATCH', path: `${chatUrl}/participants/{otherAdmin}`, body: { can_send_messages: false }, may: owner },
  { method: 'PATCH', path: `${chatUrl}/participants/{owner}`, body: { role: 'MEMBER' }, may: owner, answered: { owner: 409 } },
  { method: 'DELETE', path: `${chatUrl}/participants/{member}`, may: managers },
  { method: 'DELETE', path: `${chatUrl}/participants/{otherAdmin}`, may: owner },
  { method: 'DELETE', path: `${chatUrl}/participants/{owner}`, may: owner, answered: { owner: 409 } },
  { method: 'POST', path: `${chatUrl}/join`, may: inside },
  { method: 'POST', path: `${chatUrl}/leave`, may: inside, answered: { owner: 409 } },
  { method: 'POST', path: `${chatUrl}/read`, may: inside },
  { method: 'POST', path: `${chatUrl}/typing`, may: senders },
  { method: 'POST', path: `${chatUrl}/messages`, body: { content: 'Hello' }, may: senders },
  { method: 'POST', path: `${chatUrl}/messages`, body: { content: 'Hello', answer: false }, may: senders },
  { method: 'GET', path: `${chatUrl}/messages/{answer}`, may: inside },
  { method: 'GET', path: `${chatUrl}/messages/{answer}/stream`, may: inside },
  { method: 'GET', path: `${chatUrl}/messages/{answer}/images/0`, may: inside, answered: everyone(404) },
  { method: 'POST', path: `${chatUrl}/messages/{answer}/cancel`, may: senders },
  { method: 'POST', path: `${chatUrl}/messages/{answer}/continue`, body: {}, may: senders, answered: everyone(409) },
  { method: 'POST', path: `${chatUrl}/messages/{answer}/regenerate`, body: {}, may: senders },
  { method: 'POST', path: `${chatUrl}/messages/{question}/edit`, body: { content: 'Otherwise' }, may: owner },
  { method: 'POST', path: `${chatUrl}/messages/{answer}/select`, body: {}, may: senders },
  // There is no such service on this server: those who may are told that.
  { method: 'POST', path: `${chatUrl}/ai-message`, body: { message: 'Hello', save_to_history: true }, may: inside, answered: everyone(503) },
  { method: 'GET', path: `${chatUrl}/export`, may: inside },
  { method: 'GET', path: `${chatUrl}/export?format=markdown`, may: inside },
  { method: 'GET', path: `${chatUrl}/usage`, may: inside },
  { method: 'POST', path: `${chatUrl}/archive`, may: owner },
  { method: 'POST', path: `${chatUrl}/trash`, may: owner },
  { method: 'POST', path: `${chatUrl}/restore`, may: owner },
  { method: 'POST', path: `${chatUrl}/pin`, may: inside },
  { method: 'POST', path: `${chatUrl}/unpin`, may: inside },
  { method: 'GET', path: '/api/chat/history?session_id={chat}', may: inside },
  { method: 'POST', path: '/api/chat/send', body: { message: 'Hello', session_id: '{chat}' }, may: senders },
  { method: 'GET', path: '/api/chat/stream?message=Hello&session_id={chat}', may: senders },
  { method: 'POST', path: '/api/chat/select', body: { session_id: '{chat}' }, may: senders },
  { method: 'POST', path: '/api/chat/cancel', body: { session_id: '{chat}', message_id: '{number}' }, may: senders },
  { method: 'GET', path: '/api/chat/conversations/{chat}/messages', may: owner, hides: true },
  { method: 'POST', path: '/api/chat/conversations/{chat}/messages', body: { content: 'Hello' }, may: owner, hides: true },
  { method: 'GET', path: '/v1/chat/completions/chatcmpl-{answer}', may: inside },
  { method: 'GET', path: '/v1/chat/completions/chatcmpl-{answer}/messages', may: inside },
  { method: 'DELETE', path: '/v1/chat/completions/chatcmpl-{answer}', may: owner },
];

describe('Who may do what in a chat', () => {
  let server: TestServer;
  let users: Record<RoleInChat, TestUser>;
  let [other, otherAdmin]: TestUser[] = [];
  beforeAll(async () => {
    server = await startTestServer();
    // The first account owns the server, which gives no rights in chats of others.
    const stranger = await server.user('stranger');
    const [admin, member, muted, gone] = [await server.user('admin'), await server.user('member'), await server.user('muted'), await server.user('gone')];
    users = { owner: await server.user('owner-of-chat'), admin, member, muted, gone, stranger };
    [other, otherAdmin] = [await server.user('other'), await server.user('other-admin')];
    await server.user('somebody');
    server.models.answerWith(['Said.']);
  });
  afterAll(() => server.stop());

  const ask = async (method: string, path: string, as: TestUser, body?: object): Promise<Json> => {
    const { status, json, text } = await server.request(method, path, { as, body });
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
    return json;
  };

  async function make(): Promise<Chat> {
    const as = users.owner;
    const { id } = await ask('POST', '/api/v1/chat/chats', as, { title: 'Ours', chat_type: 'GROUP', is_private: true, ai_model: 'default' });
    const url = `/api/v1/chat/chats/${id}`;
    const { message, answer } = await ask('POST', `${url}/messages?include=answer`, as, { content: 'What is said among us?' });
    await expect.poll(async () => (await ask('GET', `${url}/messages/${answer.id}`, as)).status).toBe('DELIVERED');
    for (const user of [users.admin, users.member, users.muted, users.gone, other!, otherAdmin!]) await ask('POST', `${url}/participants`, as, { username: user.username });
    for (const user of [users.admin, otherAdmin!]) await ask('PATCH', `${url}/participants/${user.userId}`, as, { role: 'ADMIN' });
    await ask('PATCH', `${url}/participants/${users.muted.userId}`, as, { can_send_messages: false });
    await ask('DELETE', `${url}/participants/${users.gone.userId}`, as);
    return { id, questionId: message.id, answerId: answer.id, answerNumber: answer.seq, other: { member: other!.userId, admin: otherAdmin!.userId, owner: as.userId } };
  }

  const filled = (text: string, chat: Chat): string =>
    text.replaceAll('{chat}', chat.id).replaceAll('{question}', chat.questionId).replaceAll('{answer}', chat.answerId).replaceAll('"{number}"', String(chat.answerNumber))
      .replaceAll('{member}', chat.other.member).replaceAll('{otherAdmin}', chat.other.admin).replaceAll('{owner}', chat.other.owner);

  it('is said for every address of arketic that names a chat', async () => {
    const { paths } = (await server.request('GET', '/docs/json')).json;
    const named = Object.entries<Json>(paths).flatMap(([path, methods]) => (path.includes('{chat_id}') ? Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`) : []));
    const said = new Set(deeds.map(({ method, path }) => `${method} ${path.split('?')[0]!.replace('{chat}', '{chat_id}').replace(/\{(question|answer)\}/, '{message_id}').replace(/\{(member|otherAdmin|owner)\}/, '{user_id}').replace('/images/0', '/images/{position}')}`));
    expect(named.filter((address) => !said.has(address))).toEqual([]);
  });

  it.each(deeds)('$method $path $body', { timeout: 30_000 }, async ({ method, path, body, may, answered, hides }) => {
    let chat = await make();
    for (const role of roles) {
      const text = body && filled(JSON.stringify(body), chat);
      const { status, text: said } = await server.request(method, filled(path, chat), {
        headers: { ...users[role].headers, ...(text === undefined ? {} : { 'content-type': 'application/json' }) }, ...(text === undefined ? {} : { raw: text }),
      });
      if (!may.includes(role)) {
        expect([role, status]).toEqual([role, hides ? 404 : 403]);
        expect(said).not.toContain('among us');
        continue;
      }
      const expected = answered?.[role];
      expect([role, status, said.slice(0, 300)]).toEqual([role, expected ?? expect.toSatisfy((code: number) => code < 300), expect.any(String)]);
      // What was done may stand in the way of the next.
      if (method !== 'GET') chat = await make();
    }
  });

  it('over sockets, too', async () => {
    const chat = await make();
    for (const role of roles) {
      const { token } = users[role];
      const raw = await openSocket(server, `/api/v1/chat/chats/${chat.id}/ws?token=${token}`);
      if (inside.includes(role)) {
        await raw.next('welcome');
        raw.close();
      } else expect([role, (await raw.closed).code]).toEqual([role, 4403]);
      const client = await openSocketIo(server, { auth: { token } });
      const joined = await client.ask('join_conversation', { conversation_id: chat.id });
      const attached = await client.ask('attach_answer', { message_id: chat.answerId });
      const fits = role === 'owner' ? { ok: true } : { code: 'not_found' };
      expect([role, joined, attached]).toMatchObject([role, fits, fits]);
      for (const [event, more] of [['send_message', { content: 'Hello' }], ['typing_indicator', { is_typing: true }]] as const) {
        expect([role, event, await client.ask(event, { conversation_id: chat.id, ...more })]).toMatchObject([role, event, fits]);
      }
      client.close();
      const friend = await openSocket(server, `/api/chat/ws/${users[role].username}?token=${token}`);
      friend.send({ message: 'Hello', session_id: chat.id, stream: true });
      await expect.poll(() => friend.frames.length).toBeGreaterThan(0);
      expect([role, friend.frames[0]]).toMatchObject([role, senders.includes(role) ? { type: 'start' } : { error_code: 'forbidden' }]);
      friend.close();
    }
  });

  it('and what they ask for counts as theirs, whoever asked first', async () => {
    const chat = await make();
    const usage = async (role: RoleInChat): Promise<number> => (await ask('GET', '/api/v1/chat/usage?group_by=user', users[role])).usage.reduce((sum: number, line: Json) => sum + line.calls, 0);
    const before = { owner: await usage('owner'), member: await usage('member') };
    await ask('POST', `/api/v1/chat/chats/${chat.id}/messages/${chat.answerId}/regenerate`, users.member, {});
    await expect.poll(() => usage('member')).toBe(before.member + 1);
    expect(await usage('owner')).toBe(before.owner);
  });
});
