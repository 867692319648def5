import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whitePng } from '../../../test/stand-in/index.ts';
import { startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';

const png = whitePng(3, 2);
const picture = `data:image/png;base64,${png.toString('base64')}`;
const elsewhere = 'https://pictures.example/cat.jpg';

describe('Pictures in messages', () => {
  let server: TestServer;
  let ann: TestUser;
  let bob: TestUser;
  let messages: string;
  beforeAll(async () => {
    server = await startTestServer();
    ann = await server.user('ann');
    bob = await server.user('bob');
    server.models.answerWith(['A wall.']);
    const chat = (await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'A chat', ai_model: 'scripted/one' } })).json as Json;
    messages = `/api/v1/chat/chats/${chat.id}/messages`;
  });
  afterAll(() => server.stop());

  const send = (body: object, as = ann) => server.request('POST', `${messages}?include=answer`, { as, body });

  it('are sent beside the text, reach the model, and are shown with their message', async () => {
    const { status, json } = await send({ content: 'What is this?', images: [picture, elsewhere] });
    expect(status).toBe(200);
    expect(json.message.images).toEqual([
      { url: `${messages}/${json.message.id}/images/0`, type: 'image/png', bytes: png.length },
      { url: elsewhere, type: null, bytes: null },
    ]);
    expect(json.answer.images).toEqual([]);
    expect(server.models.calls.at(-1)!.request.messages.at(-1)).toEqual({
      role: 'user', content: 'What is this?', parts: [{ type: 'image', url: picture }, { type: 'image', url: elsewhere }, { type: 'text', text: 'What is this?' }],
    });
  });

  it('are given as what they are, to those who take part alone, and nothing in them may run', async () => {
    const { json } = await send({ content: '', images: [picture] });
    const address = json.message.images[0].url as string;
    const answer = await fetch(server.url + address, { headers: { authorization: `Bearer ${ann.token}` } });
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('x-content-type-options'), answer.headers.get('cache-control')]).toEqual([200, 'image/png', 'nosniff', 'private, max-age=31536000, immutable']);
    expect(answer.headers.get('content-security-policy')).toContain('sandbox');
    // Whoever signs in next in the same browser is not given it from there.
    expect(answer.headers.get('vary')).toBe('Origin, Cookie, Authorization');
    expect(Buffer.from(await answer.arrayBuffer()).equals(png)).toBe(true);
    expect([403, 404]).toContain((await server.request('GET', address, { as: bob })).status);
    for (const position of ['1', '7']) expect((await server.request('GET', address.replace(/0$/, position), { as: ann })).status).toBe(404);
    for (const position of ['8', '-1', 'x']) expect((await server.request('GET', address.replace(/0$/, position), { as: ann })).status).toBe(422);
  });

  it('of large size have room in a message', async () => {
    const large = Buffer.concat([png, Buffer.alloc(5_000_000)]).toString('base64');
    expect((await send({ content: 'x', images: [`data:image/png;base64,${large}`], answer: false })).status).toBe(200);
  });

  it('that are none are refused, and a model that sees none is told apart', async () => {
    expect((await send({ content: 'x', images: ['data:text/html;base64,PGI+'] })).status).toBe(400);
    expect((await send({ content: 'x', images: Array.from({ length: 9 }, () => picture) })).status).toBe(422);
    expect((await send({ content: '' })).status).toBe(400);
    server.models.seesPictures = false;
    const { status, json } = await send({ content: 'x', images: [picture] });
    expect([status, JSON.stringify(json)]).toEqual([400, expect.stringContaining('does not see pictures') as string]);
    server.models.seesPictures = null;
  });
});
