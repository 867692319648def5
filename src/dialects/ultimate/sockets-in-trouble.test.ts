import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ParleyError } from '../../base/errors.ts';
import { openSocketIo, startTestServer, type TestServer, type TestSocketIo, type TestUser } from '../testing.ts';

describe('Sockets, when something goes wrong', () => {
  let server: TestServer;
  let ann: TestUser;
  const open: TestSocketIo[] = [];

  beforeAll(async () => {
    server = await startTestServer();
    ann = await server.user('ann');
    server.models.answerWith(['It', ' is', ' so.']);
  });
  afterAll(async () => {
    for (const client of open) client.close();
    await server.stop();
  });

  async function come(): Promise<TestSocketIo> {
    const client = await openSocketIo(server, { auth: { token: ann.token } });
    open.push(client);
    return client;
  }

  it('say so when an answer cannot be counted any more, and tell the next one', async () => {
    const unhandled: unknown[] = [];
    const note = (thrown: unknown): void => void unhandled.push(thrown);
    process.on('unhandledRejection', note);
    const client = await come();
    const { conversation_id: id } = await client.ask('start_conversation', { user_id: 'x' });
    const { conversations } = server.parts;
    const { wholeMessages } = conversations;
    conversations.wholeMessages = async () => { throw new ParleyError('storage_unavailable'); };
    client.socket.emit('chat_message', { message: 'While the database is away', conversation_id: id });
    expect(await client.next('agent_error')).toMatchObject({ event: 'chat_message', code: 'storage_unavailable', conversation_id: id, message_id: expect.any(String) });
    conversations.wholeMessages = wholeMessages;
    client.socket.emit('chat_message', { message: 'When it is back', conversation_id: id });
    expect(await client.next('chat_response')).toMatchObject({ response: 'It is so.', message_count: 4 });
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  it('go on with a new conversation when the one used last is gone', async () => {
    const client = await come();
    const { conversation_id: gone } = await client.ask('start_conversation', { user_id: 'x' });
    await server.request('DELETE', `/api/v1/chat/chats/${gone}`, { as: ann });
    expect(await client.ask('get_conversation_history', { conversation_id: gone })).toMatchObject({ code: 'not_found' });
    const answer = await client.ask('chat_message', { message: 'Still here?' });
    expect(answer).toMatchObject({ success: true, message_count: 2 });
    expect(answer.conversation_id).not.toBe(gone);
  });

  it('may begin as many conversations as they like: the one that was used longest ago is left', async () => {
    const client = await come();
    const ids: string[] = [];
    for (let begun = 0; begun < 102; begun += 1) ids.push((await client.ask('start_conversation', { user_id: 'many' })).conversation_id);
    expect(ids.every((id) => typeof id === 'string')).toBe(true);
    expect(await client.ask('chat_message', { message: 'Hello' })).toMatchObject({ success: true, conversation_id: ids.at(-1) });
    expect(await client.next('chat_response')).toMatchObject({ conversation_id: ids.at(-1) });
  });

  it('are told of an event that there is not, also without an acknowledgement', async () => {
    const client = await come();
    client.socket.emit('sing', {});
    expect(await client.next('agent_error')).toEqual({ event: 'sing', code: 'invalid_request', message: 'Unknown event: sing' });
  });
});
