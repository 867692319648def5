import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { engines } from '../../base/storage/testing.ts';
import { startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';
import { joined, openStream } from './testing.ts';

describe.each(engines)('The streamed chat of the friend dialect on %s', (engine) => {
  let server: TestServer;
  let ann: TestUser;
  let names = 0;
  const logged: string[] = [];
  beforeEach(async () => {
    const log = pino({ level: 'trace' }, new Writable({ write: (chunk, _encoding, done) => { logged.push(String(chunk)); done(); } }));
    server = await startTestServer({ engine, log });
  });
  afterEach(() => server.stop());
  const someone = async (): Promise<TestUser> => server.user(`user${(names += 1)}`);
  const history = async (as = ann): Promise<Json> => (await server.request('GET', '/api/chat/history', { as })).json;

  it('tells each word before the model says the next', async () => {
    ann = await someone();
    const stream = await openStream(server, 'message=Hello', { as: ann });
    expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    const call = await server.models.call();
    for (const word of ["That's", 'wonderful', 'to']) {
      call.text(`${word} `);
      expect(await stream.next()).toMatchObject({ event: 'message', data: word });
    }
    call.text('hear!');
    call.finish();
    expect(await stream.rest()).toMatchObject([{ event: 'message', data: 'hear!' }, { event: 'done', data: 'complete' }]);
    expect((await history()).messages.map(({ content }: Json) => content)).toEqual(['Hello', "That's wonderful to hear!"]);
  });

  it.each(['two  spaces and a line\nbreak', ' begins and ends ', '日本語 😀 text', 'one'])('gives words that joined by one space are the stored reply: %j', async (text) => {
    ann = await someone();
    server.models.answerWith([...text]);
    const events = await (await openStream(server, 'message=Hello', { as: ann })).rest();
    expect(joined(events)).toBe(text);
    expect((await history()).messages[1].content).toBe(text);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    expect(events.every(({ id }) => id !== null)).toBe(true);
  });

  it('goes on exactly where a reader was that comes back, and sends nothing again', async () => {
    ann = await someone();
    const first = await openStream(server, 'message=Count', { as: ann });
    const call = await server.models.call();
    call.text('one two thr');
    const seen = [await first.next(), await first.next()];
    await first.close();
    call.text('ee four ');
    const second = await openStream(server, 'message=Count', { as: ann, lastId: first.lastId() });
    const more = [await second.next(), await second.next()];
    call.text('five');
    call.finish();
    const rest = await second.rest();
    expect(joined([...seen, ...more, ...rest] as never)).toBe('one two three four five');
    expect(rest.at(-1)).toMatchObject({ event: 'done', data: 'complete' });
    expect((await history()).stats.message_count).toBe(2);
    expect(server.models.calls.at(-1)).toBe(call);
  });

  it('names the reply before its first word, so that who comes back at once does not ask again', async () => {
    ann = await someone();
    const first = await openStream(server, 'message=Hello', { as: ann });
    const call = await server.models.call();
    // Nothing has been said: the id stands in a block of its own.
    const waiting = first.next();
    while (first.lastId() === null) await new Promise((resolve) => setTimeout(resolve, 5));
    const id = first.lastId()!;
    await first.close();
    await expect(waiting).rejects.toThrow();
    const second = await openStream(server, 'message=Hello', { as: ann, lastId: id });
    call.text('Hi.');
    call.finish();
    expect(await second.rest()).toMatchObject([{ data: 'Hi.' }, { event: 'done' }]);
    expect((await history()).stats.message_count).toBe(2);
  });

  it('answers 204 when everything was told, however often it is asked', async () => {
    ann = await someone();
    server.models.answerWith(['one ', 'two']);
    const stream = await openStream(server, 'message=Hello', { as: ann });
    const events = await stream.rest();
    for (const lastId of [stream.lastId(), stream.lastId(), events.at(-2)!.id]) {
      const again = await openStream(server, 'message=Hello', { as: ann, lastId });
      expect([again.status, await again.text()]).toEqual([204, '']);
    }
    // What was not told yet is told first, also after the end.
    const late = await openStream(server, 'message=Hello', { as: ann, lastId: events[0]!.id });
    expect(await late.rest()).toMatchObject([{ event: 'message', data: 'two' }, { event: 'done' }]);
    expect((await history()).stats.message_count).toBe(2);
  });

  it('goes on in the same way when the log of the reply has been folded away', async () => {
    ann = await someone();
    server.models.answerWith(['one ', 'two ', 'three']);
    const events = await (await openStream(server, 'message=Hello', { as: ann })).rest();
    await server.parts.storage.write((queries) => queries.deleteFrom('turn_log').execute());
    const late = await openStream(server, 'message=Hello', { as: ann, lastId: events[0]!.id });
    expect(joined(await late.rest())).toBe('two three');
  });

  it('gives nothing away of what is somebody else’s or not there', async () => {
    ann = await someone();
    const bob = await someone();
    server.models.answerWith(['a secret']);
    const stream = await openStream(server, 'message=Hello', { as: ann });
    const [first] = await stream.rest();
    const answers = await Promise.all([first!.id!, stream.lastId()!, '01a1fc38-478b-7429-a13b-4e704d793342.0', '7', "x' or 1=1"].map(async (lastId) => {
      const answer = await openStream(server, 'message=Hello', { as: bob, lastId });
      return [answer.status, await answer.text()];
    }));
    for (const answer of answers) expect(answer).toEqual([404, '{"detail":"This reply cannot be gone on with."}']);
    expect((await history(bob)).messages).toEqual([]);
  });

  it('makes a new turn of the same words in a new stream, unless the key is the same', async () => {
    ann = await someone();
    server.models.answerWith(['fine']);
    for (const query of ['message=Hello', 'message=Hello', 'message=Hello&idempotency_key=k', 'message=Hello&idempotency_key=k']) {
      expect(joined(await (await openStream(server, query, { as: ann })).rest())).toBe('fine');
    }
    expect((await history()).stats.message_count).toBe(6);
  });

  it('goes on with the reply when the client has gone', async () => {
    ann = await someone();
    const stream = await openStream(server, 'message=Hello', { as: ann });
    const call = await server.models.call();
    call.text('First ');
    await stream.next();
    await stream.close();
    call.text('and last.');
    call.finish();
    await eventually(async () => (await history()).messages[1].content === 'First and last.');
    expect(call.signal.aborted).toBe(false);
  });

  it('ends a reply that failed or was stopped with one error in place of done', async () => {
    ann = await someone();
    const failing = await openStream(server, 'message=Hello', { as: ann });
    const call = await server.models.call();
    call.text('Half a ');
    call.say({ type: 'error', error: { code: 'provider_error', message: 'It broke.', serviceFault: true } });
    const events = await failing.rest();
    expect(events.map(({ event }) => event)).toEqual(['message', 'message', 'message', 'error']);
    expect(JSON.parse(events.at(-1)!.data)).toEqual({ error: 'It broke.', error_code: 'provider_error' });
    expect((await openStream(server, 'message=Hello', { as: ann, lastId: events.at(-1)!.id })).status).toBe(204);
    const stopped = await openStream(server, 'message=Again', { as: ann });
    await server.models.call();
    await server.request('POST', '/api/chat/cancel', { as: ann, body: { message_id: 4 } });
    expect((await stopped.rest()).map(({ event, data }) => [event, JSON.parse(data).error_code])).toEqual([['error', 'cancelled']]);
  });

  it('takes the token from the address, and never logs it', async () => {
    ann = await someone();
    server.models.answerWith(['fine']);
    const stream = await openStream(server, `message=Hello&token=${ann.token}`);
    expect(joined(await stream.rest())).toBe('fine');
    for (const query of ['message=Hello', 'message=Hello&token=', 'message=Hello&token=x', `message=Hello&token=${ann.token}&token=x`]) {
      const refused = await openStream(server, query);
      expect([refused.status, JSON.parse(await refused.text())]).toEqual([401, { detail: 'Invalid or expired token' }]);
    }
    expect(logged.join('')).toContain('/api/chat/stream');
    expect(logged.join('')).not.toContain(ann.token);
    expect((await server.request('GET', '/api/chat/stream', { as: ann })).status).toBe(422);
    expect((await server.request('HEAD', '/api/chat/stream?message=Hello', { as: ann })).status).toBe(405);
  });

  it('takes a cookie only from pages of this server, because the browser adds it by itself', async () => {
    ann = await someone();
    server.models.answerWith(['fine']);
    const login = await server.request('POST', '/api/auth/login', { body: ann });
    const cookie = login.headers.getSetCookie().map((text) => text.split(';')[0]).join('; ');
    const statuses: number[] = [];
    const sources: Record<string, string>[] = [
      { 'sec-fetch-site': 'same-origin' }, { origin: server.url },
      {}, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'none' }, { origin: 'https://elsewhere.example' },
    ];
    // What a model or another person has written may hold a picture or a link with this address.
    for (const destination of ['image', 'document', 'iframe', 'script']) sources.push({ 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': destination });
    sources.push({ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' });
    for (const headers of sources) statuses.push((await server.request('GET', '/api/chat/stream?message=Hello', { headers: { cookie, ...headers } })).status);
    expect(statuses).toEqual([200, 200, 403, 403, 403, 403, 403, 403, 403, 403, 403, 200]);
    expect((await history()).stats.message_count).toBe(6);
  });

  it('ends when the token is revoked; the reply goes on', async () => {
    ann = await someone();
    const login = await server.request('POST', '/api/auth/login', { body: ann });
    const stream = await openStream(server, `message=Hello&token=${login.json.access_token}`);
    const call = await server.models.call();
    call.text('First ');
    await stream.next();
    await server.request('POST', '/api/auth/logout', { headers: { authorization: `Bearer ${login.json.access_token}` } });
    expect((await stream.rest()).map(({ event, data }) => [event, JSON.parse(data).error_code])).toEqual([['error', 'unauthorized']]);
    expect((await openStream(server, `message=Hello&token=${login.json.access_token}`, { lastId: stream.lastId() })).status).toBe(401);
    call.text('then.');
    call.finish();
    const again = await openStream(server, `message=Hello&token=${ann.token}`, { lastId: stream.lastId() });
    expect(joined(await again.rest())).toBe('then.');
  });
});

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
