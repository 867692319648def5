import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSocketIo, startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';

let server: TestServer;
let ann: TestUser;
beforeAll(async () => {
  server = await startTestServer();
  ann = await server.user('ann');
});
afterAll(() => server.stop());

describe('first', () => {
  it('works', async () => {
    const made = await server.request('POST', '/api/chat/conversations', { as: ann, body: { title: 'T', model_provider: 'openai', model_name: 'gpt-4o' } });
    console.error(made.status, made.text);
    const id = made.json.id;
    const one = await openSocketIo(server, { auth: { token: ann.token } });
    const two = await openSocketIo(server, { auth: { token: ann.token }, transports: ['polling'] });
    console.error(await one.ask('join_conversation', { conversation_id: id }), await two.ask('join_conversation', { conversation_id: id, stream: true }));
    server.models.answerWith(['Hi ', 'there']);
    console.error(await one.ask('send_message', { conversation_id: id, content: 'Hello' }));
    console.error(await one.next('message_received'), await one.next('message_received'));
    console.error(await two.next('answer_ended'));
    console.error(two.events);
    const list = await server.request('GET', `/api/chat/conversations/${id}/messages`, { as: ann });
    console.error(list.status, list.text);
    const post = await server.request('POST', `/api/chat/conversations/${id}/messages`, { as: ann, body: { content: 'x' } });
    console.error(post.status, post.text);
    one.close(); two.close();
  });
});
