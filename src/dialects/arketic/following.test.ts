import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSocket, startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';

let server: TestServer;
let ann: TestUser;
beforeAll(async () => {
  server = await startTestServer();
  ann = await server.user('ann');
});
afterAll(() => server.stop());

async function ask(): Promise<{ id: string; answer: string }> {
  const { json } = await server.request('POST', '/api/v1/chat/chats', { as: ann, body: { title: 'A chat', ai_model: 'default' } });
  const sent = await server.request('POST', `/api/v1/chat/chats/${json.id}/messages?include=answer`, { as: ann, body: { content: 'Hello?' } });
  return { id: json.id, answer: sent.json.answer.id };
}

/** The events of a stream, as far as it goes. */
async function* events(path: string, headers: Record<string, string> = {}): AsyncGenerator<{ event: string; id: number; data: Json }> {
  const response = await fetch(server.url + path, { headers: { ...ann.headers, ...headers } });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  let rest = '';
  for await (const bytes of response.body!.pipeThrough(new TextDecoderStream())) {
    rest += bytes;
    const blocks = rest.split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
      if (fields['event']) yield { event: fields['event'], id: Number(fields['id']), data: JSON.parse(fields['data']!) };
    }
  }
}

describe('The event stream of an answer', () => {
  it('tells everything as it happens, and ends', async () => {
    const { id, answer } = await ask();
    const call = await server.models.call();
    const stream = events(`/api/v1/chat/chats/${id}/messages/${answer}/stream`);
    const next = async () => (await stream.next()).value!;
    call.say({ type: 'reasoning', text: 'Hm.' });
    expect(await next()).toMatchObject({ event: 'start', id: 1, data: { model: 'scripted/one' } });
    expect(await next()).toMatchObject({ event: 'reasoning', data: { text: 'Hm.', offset: 0 } });
    call.text('Hi ');
    expect(await next()).toMatchObject({ event: 'text', data: { text: 'Hi ', offset: 0 } });
    call.text('there.');
    expect(await next()).toMatchObject({ event: 'text', data: { text: 'there.', offset: 3 } });
    call.finish();
    expect(await next()).toMatchObject({ event: 'usage', data: { input: 7, output: 3, reasoning: null, cached: null } });
    expect(await next()).toMatchObject({ event: 'end', data: { status: 'DELIVERED', finish_reason: 'stop', error: null, message: { id: answer, content: 'Hi there.', reasoning: 'Hm.' } } });
    expect((await stream.next()).done).toBe(true);
  });

  it('goes on behind the seq or the Last-Event-ID, also after the end', async () => {
    const { id, answer } = await ask();
    const call = await server.models.call();
    const path = `/api/v1/chat/chats/${id}/messages/${answer}/stream`;
    const first = events(path);
    call.text('One ');
    await first.next();
    const { value: one } = await first.next();
    call.text('two.');
    call.finish();
    for await (const _ of first);
    for (const rest of [events(`${path}?after=${one!.id}`), events(path, { 'last-event-id': String(one!.id) })]) {
      const seen = await Array.fromAsync(rest);
      expect(seen.map(({ event }) => event)).toEqual(['text', 'usage', 'end']);
      expect(seen[0]!.data).toEqual({ text: 'two.', offset: 4 });
    }
  });

  it('says when trying again makes sense, where the service said so', async () => {
    const { id, answer } = await ask();
    (await server.models.call()).say({ type: 'error', error: { code: 'rate_limited', message: 'Later.', retryAfterMs: 7000, serviceFault: false } });
    const seen = await Array.fromAsync(events(`/api/v1/chat/chats/${id}/messages/${answer}/stream`));
    expect(seen.at(-1)!.data).toMatchObject({ status: 'FAILED', error: { code: 'rate_limited', message: 'Later.', retry_after_ms: 7000 } });
  });

  it('waits with an answer that is queued, and tells that it was cancelled', async () => {
    const { id } = await ask();
    const queued = (await server.request('POST', `/api/v1/chat/chats/${id}/messages?include=answer`, { as: ann, body: { content: 'And?' } })).json.answer;
    expect(queued.status).toBe('QUEUED');
    const stream = events(`/api/v1/chat/chats/${id}/messages/${queued.id}/stream`);
    const next = stream.next();
    const cancelled = await server.request('POST', `/api/v1/chat/chats/${id}/messages/${queued.id}/cancel`, { as: ann });
    expect(cancelled.json).toMatchObject({ id: queued.id, status: 'CANCELLED', content: '' });
    expect((await next).value).toMatchObject({ event: 'end', data: { status: 'CANCELLED' } });
    (await server.models.call()).finish();
  });

  it('ends when the credential ends', async () => {
    const { id, answer } = await ask();
    const call = await server.models.call();
    const login = await server.request('POST', '/api/auth/login', { body: ann });
    const headers = { authorization: `Bearer ${login.json.access_token}` };
    const stream = events(`/api/v1/chat/chats/${id}/messages/${answer}/stream`, headers);
    call.text('One ');
    await stream.next();
    await stream.next();
    await server.request('POST', '/api/auth/logout', { headers });
    expect((await stream.next()).done).toBe(true);
    call.finish();
  });

  it('is for answers only', async () => {
    const { id, answer } = await ask();
    (await server.models.call()).finish();
    const { json } = await server.request('GET', `/api/v1/chat/chats/${id}/messages/${answer}`, { as: ann });
    expect((await server.request('GET', `/api/v1/chat/chats/${id}/messages/${json.parent_id}/stream`, { as: ann })).status).toBe(409);
  });
});

describe('A client that reads slowly', () => {
  it('gets fewer, larger pieces, loses nothing, and holds nobody up', { timeout: 60_000 }, async () => {
    const { id } = await ask();
    const path = `/api/v1/chat/chats/${id}/ws?token=${ann.token}&full_content=false`;
    const [slow, quick] = [await openSocket(server, path), await openSocket(server, path)];
    await Promise.all([slow.next('welcome'), quick.next('welcome')]);
    slow.socket.pause();
    // More than the system keeps for a connection, so that the server itself has to wait.
    const [answers, pieces, piece] = [5, 35, 'x'.repeat(100_000)];
    for (let answer = 0; answer < answers; answer += 1) {
      if (answer > 0) await server.request('POST', `/api/v1/chat/chats/${id}/messages`, { as: ann, body: { content: 'More?' } });
      const call = await server.models.call();
      for (let at = 0; at < pieces; at += 1) {
        call.text(piece);
        await quick.next('ai_response_chunk');
      }
      call.finish();
      await quick.next('ai_response_complete');
    }
    slow.socket.resume();
    for (let answer = 0; answer < answers; answer += 1) await slow.next('ai_response_complete');
    const chunks = slow.frames.filter((frame) => frame.type === 'ai_response_chunk');
    expect(chunks.length).toBeLessThan(answers * pieces);
    const lengths = new Map<string, number>();
    for (const chunk of chunks) {
      expect(chunk.offset).toBe(lengths.get(chunk.message_id) ?? 0);
      lengths.set(chunk.message_id, chunk.offset + chunk.chunk.length);
    }
    expect([...lengths.values()]).toEqual(Array.from({ length: answers }, () => piece.length * pieces));
    slow.close();
    quick.close();
  });
});
