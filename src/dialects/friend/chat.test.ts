import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import { engines } from '../../base/storage/testing.ts';
import { startTestServer, type Json, type TestServer, type TestUser } from '../testing.ts';
import { openStream } from './testing.ts';

/** The machine's clock, moved on. */
let movedMs = 0;
const clock: Clock = { now: () => systemClock.now() + movedMs, monotonic: () => systemClock.monotonic() + movedMs };

describe.each(engines)('The chat of the friend dialect on %s', (engine) => {
  let server: TestServer;
  let names = 0;
  let ann: TestUser;
  beforeEach(async () => {
    server = await startTestServer({ engine, clock });
  });
  afterEach(() => server.stop());

  /** A user of one's own for each test. */
  const someone = async (): Promise<TestUser> => server.user(`user${(names += 1)}`);
  const send = (message: string, more: object = {}, as = ann) => server.request('POST', '/api/chat/send', { as, body: { message, ...more } });
  const history = async (query = '', as = ann): Promise<Json> => (await server.request('GET', `/api/chat/history${query}`, { as })).json;

  it('answers with the whole reply, as the document has it, and keeps both messages', async () => {
    ann = await someone();
    server.models.answerWith(["That's ", 'wonderful!']);
    const sent = await send("I'm feeling great today!", { context: { location: 'home', time_of_day: 'morning' }, save_to_memory: true });
    expect([sent.status, sent.json]).toEqual([
      200,
      { response: "That's wonderful!", emotion: null, processing_time: expect.any(Number), memories_used: 0, session_id: expect.any(String) },
    ]);
    expect(JSON.stringify(server.models.calls.at(-1)!.request.messages[0])).toContain('time_of_day');
    const shown = await history();
    expect(shown).toEqual({
      conversation_id: 1,
      session_id: sent.json.session_id,
      user_id: ann.username,
      stats: { message_count: 2, avg_processing_time: expect.any(Number) },
      messages: [
        { id: 1, role: 'user', content: "I'm feeling great today!", emotion: null, timestamp: expect.stringMatching(/^\d{4}-.*Z$/) },
        { id: 2, role: 'assistant', content: "That's wonderful!", emotion: null, timestamp: expect.any(String) },
      ],
    });
  });

  it('measures the processing time by a clock that never jumps', async () => {
    ann = await someone();
    const sending = send('Hello?');
    const call = await server.models.call();
    movedMs += 2500;
    call.text('Hi.');
    call.finish();
    const { json } = await sending;
    expect(json.processing_time).toBeGreaterThanOrEqual(2.5);
    expect(json.processing_time).toBeLessThan(10);
    expect((await history()).stats.avg_processing_time).toBeCloseTo(2.5, 0);
  });

  it('has null for a mean of nothing, and counts more messages than it shows', async () => {
    ann = await someone();
    expect((await history()).stats).toEqual({ message_count: 0, avg_processing_time: null });
    server.models.answerWith(['yes']);
    for (const message of ['one', 'two', 'three']) await send(message);
    const page = await history('?limit=2');
    expect(page.stats.message_count).toBe(6);
    expect(page.messages.map(({ id, content }: Json) => [id, content])).toEqual([[5, 'three'], [6, 'yes']]);
    for (const limit of ['0', '1001', 'x', '-1']) expect((await server.request('GET', `/api/chat/history?limit=${limit}`, { as: ann })).status).toBe(422);
  });

  it('makes one conversation of 20 first messages at the same time', async () => {
    ann = await someone();
    server.models.answerWith(['fine']);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => send(`message ${at}`)));
    // At most eight may wait behind the one that runs.
    const sent = answers.filter(({ status }) => status === 200);
    expect(answers.filter(({ status }) => status !== 200 && status !== 429)).toEqual([]);
    expect(sent.length).toBeGreaterThanOrEqual(9);
    expect(new Set(sent.map(({ json }) => json.session_id)).size).toBe(1);
    expect((await server.request('GET', '/api/chat/sessions', { as: ann })).json.sessions).toHaveLength(1);
  });

  it('begins anew: a new id, and nothing of the old conversation in the next prompt', async () => {
    ann = await someone();
    server.models.answerWith(['fine']);
    const first = await send('The word is heliotrope.');
    const cleared = await server.request('DELETE', '/api/chat/clear', { as: ann });
    expect([cleared.status, cleared.json]).toEqual([200, { message: 'Conversation cleared', new_session_id: expect.any(String) }]);
    expect(cleared.json.new_session_id).not.toBe(first.json.session_id);
    expect(await history()).toMatchObject({ conversation_id: 2, session_id: cleared.json.new_session_id, messages: [] });
    const next = await send('Which word?');
    expect(next.json.session_id).toBe(cleared.json.new_session_id);
    expect(JSON.stringify(server.models.calls.at(-1)!.request.messages)).not.toContain('heliotrope');
  });

  it('knows the other conversations of the user as additions, and nobody else’s', async () => {
    ann = await someone();
    const bob = await someone();
    server.models.answerWith(['fine']);
    const first = (await send('first')).json.session_id;
    const second = (await server.request('DELETE', '/api/chat/clear', { as: ann })).json.new_session_id;
    expect((await send('into the first', { session_id: first })).json.session_id).toBe(first);
    expect((await history(`?session_id=${first}`)).stats.message_count).toBe(4);
    const { sessions } = (await server.request('GET', '/api/chat/sessions', { as: ann })).json;
    expect(sessions.map((session: Json) => [session.session_id, session.conversation_id, session.message_count, session.current])).toEqual([[first, 1, 4, false], [second, 2, 0, true]]);
    const selected = await server.request('POST', '/api/chat/select', { as: ann, body: { session_id: first } });
    expect([selected.status, selected.json]).toEqual([200, { message: 'Conversation selected', session_id: first }]);
    expect((await history()).session_id).toBe(first);
    const foreign = [
      await send('hello', { session_id: first }, bob),
      await server.request('GET', `/api/chat/history?session_id=${first}`, { as: bob }),
      await server.request('POST', '/api/chat/select', { as: bob, body: { session_id: first } }),
      await server.request('POST', '/api/chat/cancel', { as: bob, body: { session_id: first, message_id: 2 } }),
    ];
    expect(foreign.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
    expect((await send('hello', { session_id: 'abc-123' })).status).toBe(404);
  });

  it('goes on with the answer when the client goes away', async () => {
    ann = await someone();
    const abort = new AbortController();
    const sending = fetch(`${server.url}/api/chat/send`, { method: 'POST', headers: { ...ann.headers, 'content-type': 'application/json' }, body: '{"message":"Hello?"}', signal: abort.signal });
    const call = await server.models.call();
    abort.abort();
    await expect(sending).rejects.toThrow();
    call.text('Still here.');
    call.finish();
    await eventually(async () => (await history()).messages[1]?.content === 'Still here.');
    expect(call.signal.aborted).toBe(false);
  });

  it('sends the same key once', async () => {
    ann = await someone();
    server.models.answerWith(['fine']);
    const headers = { 'idempotency-key': 'once' };
    const [one, two] = await Promise.all([1, 2].map(() => server.request('POST', '/api/chat/send', { as: ann, headers, body: { message: 'Hello?' } })));
    expect(one!.json.response).toBe('fine');
    expect(two!.json).toMatchObject({ response: 'fine', session_id: one!.json.session_id });
    expect((await history()).stats.message_count).toBe(2);
  });

  it('says in the document’s form why there is no reply', async () => {
    ann = await someone();
    const failing = send('Hello?');
    (await server.models.call()).say({ type: 'error', error: { code: 'invalid_api_key', message: 'The key was refused.', serviceFault: false } });
    const failed = await failing;
    expect([failed.status, failed.json, failed.headers.get('x-error-code')]).toEqual([502, { detail: 'The key was refused.' }, 'invalid_api_key']);
    const cancelling = send('And now?');
    const call = await server.models.call();
    const cancelled = await server.request('POST', '/api/chat/cancel', { as: ann, body: { message_id: 4 } });
    expect([cancelled.status, cancelled.json]).toEqual([200, { message: 'Reply cancelled', status: 'CANCELLED' }]);
    expect(call.signal.aborted).toBe(true);
    expect((await cancelling).status).toBe(499);
    for (const [body, path] of [[{}, 'message'], [{ message: '  ' }, 'message'], [{ message: 'x'.repeat(5001) }, 'message'], [{ message: 'x', context: [] }, 'context']] as const) {
      const answer = await server.request('POST', '/api/chat/send', { as: ann, body });
      expect([answer.status, answer.json.detail[0].loc]).toEqual([422, ['body', path]]);
    }
    const unknown = await server.request('POST', '/api/chat/send', { body: { message: 'x' } });
    expect([unknown.status, unknown.json]).toEqual([401, { detail: 'Invalid or expired token' }]);
  });

  it('counts the characters of a message without the blanks around it', async () => {
    ann = await someone();
    server.models.answerWith(['fine']);
    expect((await send(`  ${'😀'.repeat(5000)}\n`)).status).toBe(200);
    expect((await history()).messages[0].content).toBe(`  ${'😀'.repeat(5000)}\n`);
  });

  it('tells 503 with the way out where no model is set up, and stores nothing', async () => {
    ann = await someone();
    const { resolve } = server.models;
    server.models.resolve = async () => ({ id: 'builtin/parley', provider: 'builtin', model: 'parley', contextLength: 1000, isBuiltin: true });
    const answers = [await send('Hello?'), await server.request('GET', '/api/chat/stream?message=Hello', { as: ann })];
    server.models.resolve = resolve;
    for (const { status, json } of answers) expect([status, json]).toEqual([503, { detail: new ParleyError('no_model').message }]);
    expect((await history()).messages).toEqual([]);
  });
});

describe('The limit of the friend dialect', () => {
  it('counts every way together: 60 messages a minute, then 429 with Retry-After', async () => {
    const server = await startTestServer();
    try {
      const [ann, bob] = [await server.user('ann'), await server.user('bob')];
      server.models.answerWith(['ok']);
      for (let count = 0; count < 60; count += 1) {
        const query = `message=${count}`;
        const status = count % 2 === 0
          ? (await server.request('POST', '/api/chat/send', { as: ann, body: { message: `${count}` } })).status
          : (await server.request('GET', `/api/chat/stream?${query}`, { as: ann })).status;
        expect([count, status]).toEqual([count, 200]);
      }
      const refused = [await server.request('POST', '/api/chat/send', { as: ann, body: { message: 'one more' } }), await server.request('GET', '/api/chat/stream?message=more', { as: ann })];
      for (const answer of refused) {
        expect([answer.status, answer.json]).toEqual([429, { detail: 'Rate limit exceeded' }]);
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(60);
      }
      expect((await server.request('POST', '/api/chat/send', { as: bob, body: { message: 'mine' } })).status).toBe(200);
      expect((await (await openStream(server, 'message=other', { as: ann })).text())).toContain('Rate limit exceeded');
    } finally {
      await server.stop();
    }
  });
});

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
