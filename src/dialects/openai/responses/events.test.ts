import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../../base/storage/testing.ts';
import type { ReplyEvent } from '../../../core/models/index.ts';
import { startTestServer, type TestServer } from '../../testing.ts';

let server: TestServer;
let openai: OpenAI;
beforeAll(async () => {
  server = await startTestServer({ engine: engines.at(-1)! });
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'local', maxRetries: 0 });
});
afterAll(() => server.stop());

type StreamEvent = OpenAI.Responses.ResponseStreamEvent;

const model = 'scripted/one';

async function readAll(stream: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** A streamed response whose model says this. */
async function streamed(body: object, ...said: ReplyEvent[]): Promise<StreamEvent[]> {
  const asked = openai.responses.create({ model, input: 'Hello?', ...body, stream: true });
  (await server.models.call()).say(...said);
  return readAll(await asked);
}

/** A stream of a stored response. */
async function followed(id: string, startingAfter?: number): Promise<StreamEvent[]> {
  return readAll(await openai.responses.retrieve(id, { stream: true, ...(startingAfter === undefined ? {} : { starting_after: startingAfter }) }));
}

const numbered = (events: StreamEvent[]): boolean => events.every((event, at) => event.sequence_number === at);
const text = (...texts: string[]): ReplyEvent[] => texts.map((piece) => ({ type: 'text', text: piece }));
const finish: ReplyEvent = { type: 'finish', reason: 'stop' };

describe('The events of a response', () => {
  it.each([[true], [false]])('tell a text as it grows, and number themselves (store: %s)', async (store) => {
    const events = await streamed({ store }, ...text('Hi'), { type: 'usage', usage: { tokensIn: 7, tokensOut: 1 } }, finish);
    expect(events.map(({ type }) => type)).toEqual([
      'response.created', 'response.in_progress', 'response.output_item.added', 'response.content_part.added', 'response.output_text.delta',
      'response.output_text.done', 'response.content_part.done', 'response.output_item.done', 'response.completed',
    ]);
    expect(numbered(events)).toBe(true);
    const [created, , added, part, delta, done, , itemDone, completed] = events as unknown as Record<string, unknown>[];
    const item = { id: expect.stringMatching(/^msg_/), type: 'message', role: 'assistant' };
    const place = { item_id: (added!['item'] as { id: string }).id, output_index: 0, content_index: 0 };
    expect(created).toMatchObject({ response: { status: 'in_progress', model, output: [], usage: null, store } });
    expect(added).toMatchObject({ output_index: 0, item: { ...item, status: 'in_progress', content: [] } });
    expect(part).toMatchObject({ ...place, part: { type: 'output_text', text: '', annotations: [] } });
    expect(delta).toMatchObject({ ...place, delta: 'Hi', logprobs: [] });
    expect(done).toMatchObject({ ...place, text: 'Hi' });
    expect(itemDone).toMatchObject({ item: { ...item, status: 'completed', content: [{ type: 'output_text', text: 'Hi' }] } });
    expect(completed).toMatchObject({ response: { status: 'completed', output: [{ ...item, content: [{ text: 'Hi' }] }], usage: { input_tokens: 7, output_tokens: 1, total_tokens: 8 } } });
  });

  it.each([[true], [false]])('hold the probabilities of their own text, told behind it or before it (store: %s)', async (store) => {
    const figures = (token: string): ReplyEvent => ({ type: 'logprobs', tokens: [{ token, logprob: -1, bytes: null, top: [] }] });
    for (const behind of [true, false]) {
      const said = ['a', 'b'].flatMap((token) => (behind ? [...text(token), figures(token)] : [figures(token), ...text(token)]));
      const events = await streamed({ store, include: ['message.output_text.logprobs'] }, ...said, finish);
      const deltas = events.filter((event) => event.type === 'response.output_text.delta');
      expect(deltas.map(({ delta, logprobs }) => [delta, logprobs.map(({ token }) => token)])).toEqual([['a', ['a']], ['b', ['b']]]);
      expect(events.find((event) => event.type === 'response.output_text.done')!.logprobs.map(({ token }) => token)).toEqual(['a', 'b']);
    }
  });

  it('tell reasoning and calls, each as an item of its own', async () => {
    const events = await streamed({ tools: [{ type: 'function', name: 'look', parameters: {}, strict: false }] },
      { type: 'reasoning', text: 'Hm.' }, ...text('I look.'),
      { type: 'tool', index: 0, id: 'call_1', name: 'look', arguments: '{"a"' }, { type: 'tool', index: 0, arguments: ':1}' }, { type: 'tool', index: 1, id: 'call_2', name: 'look', arguments: '' },
      { type: 'finish', reason: 'tool' });
    expect(numbered(events)).toBe(true);
    expect(events.slice(2, -1).map(({ type }) => type.replace('response.', ''))).toEqual([
      'output_item.added', 'content_part.added', 'reasoning_text.delta', 'reasoning_text.done', 'content_part.done', 'output_item.done',
      'output_item.added', 'content_part.added', 'output_text.delta', 'output_text.done', 'content_part.done', 'output_item.done',
      'output_item.added', 'function_call_arguments.delta', 'function_call_arguments.delta', 'output_item.added',
      'function_call_arguments.done', 'output_item.done', 'function_call_arguments.done', 'output_item.done',
    ]);
    const completed = events.at(-1) as OpenAI.Responses.ResponseCompletedEvent;
    expect(completed.response.output).toMatchObject([
      { type: 'reasoning', status: 'completed', content: [{ type: 'reasoning_text', text: 'Hm.' }] },
      { type: 'message', content: [{ text: 'I look.' }] },
      { type: 'function_call', call_id: 'call_1', name: 'look', arguments: '{"a":1}', status: 'completed' },
      { type: 'function_call', call_id: 'call_2', name: 'look', arguments: '', status: 'completed' },
    ]);
    expect((await openai.responses.retrieve(completed.response.id)).output).toEqual(completed.response.output);
  });

  it('tell a refusal apart from an answer', async () => {
    const events = await streamed({ store: false }, { type: 'text', text: 'I will ', isRefusal: true }, { type: 'text', text: 'not.', isRefusal: true }, finish);
    expect(events.slice(3, -1).map(({ type }) => type.replace('response.', ''))).toEqual(['content_part.added', 'refusal.delta', 'refusal.delta', 'refusal.done', 'content_part.done', 'output_item.done']);
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: { output: [{ type: 'message', content: [{ type: 'refusal', refusal: 'I will not.' }] }] } });
  });

  it('are put together by the package', async () => {
    const stream = openai.responses.stream({ model, input: 'Hello?' });
    const deltas: string[] = [];
    stream.on('response.output_text.delta', ({ delta }) => deltas.push(delta));
    (await server.models.call()).say({ type: 'reasoning', text: 'Hm.' }, ...text('Hi '), ...text('"there" \u{1f600}\n'), finish);
    expect((await stream.finalResponse()).output_text).toBe('Hi "there" \u{1f600}\n');
    expect(deltas.join('')).toBe('Hi "there" \u{1f600}\n');
  });

  it('end with what the response ended with', async () => {
    expect((await streamed({}, ...text('Hi'), { type: 'finish', reason: 'length' })).at(-1)).toMatchObject({ type: 'response.incomplete', response: { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } } });
    const failed = await streamed({}, ...text('Hi'), { type: 'error', error: { code: 'rate_limited', message: 'Later.', serviceFault: false } });
    expect(failed.at(-1)).toMatchObject({ type: 'response.failed', response: { status: 'failed', error: { code: 'rate_limit_exceeded', message: 'Later.' }, output: [{ status: 'incomplete', content: [{ text: 'Hi' }] }] } });
    expect(numbered(failed)).toBe(true);
  });

  it.each([[true], [false]])('are not begun for a failure that comes first: it has a status of its own (store: %s)', async (store) => {
    await expect(streamed({ store }, { type: 'error', error: { code: 'quota_exceeded', message: 'Used up.', serviceFault: false } })).rejects.toMatchObject({ status: 429, code: 'insufficient_quota' });
  });

  it('begin after a second when nothing is said, so that the response can be found', async () => {
    const asked = await openai.responses.create({ model, input: 'Hello?', stream: true });
    const events = asked[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ type: 'response.created', response: { id: expect.stringMatching(/^resp_/) } });
    const call = await server.models.call();
    call.text('Late.');
    call.finish();
    const rest: StreamEvent[] = [];
    for (let next = await events.next(); !next.done; next = await events.next()) rest.push(next.value);
    expect(rest.at(-1)).toMatchObject({ type: 'response.completed' });
  });
});

describe('A response that is followed again', () => {
  it('has the same events, and misses none behind any of them', async () => {
    const asked = openai.responses.create({ model, input: 'Hello?', stream: true });
    const call = await server.models.call();
    call.say({ type: 'reasoning', text: 'Hm.' });
    for (const word of ['One ', 'two ', 'three.']) {
      call.text(word);
      await new Promise(setImmediate);
    }
    call.say({ type: 'tool', index: 0, id: 'call_1', name: 'look', arguments: '{}' }, { type: 'usage', usage: { tokensIn: 7, tokensOut: 3 } }, finish);
    const events = await readAll(await asked);
    const { id } = (events[0] as OpenAI.Responses.ResponseCreatedEvent).response;
    const untimed = (list: StreamEvent[]): unknown => JSON.parse(JSON.stringify(list, (key, value) => (key === 'completed_at' ? null : value)));
    expect(untimed(await followed(id))).toEqual(untimed(events));
    for (const after of [0, 1, 2, 5, events.length - 2, events.length - 1]) expect(untimed(await followed(id, after))).toEqual(untimed(events.slice(after + 1)));
  });

  it('long after its end, when only the message is left, says everything once more', async () => {
    const events = await streamed({}, { type: 'reasoning', text: 'Hm.' }, ...text('I look.'), { type: 'tool', index: 0, id: 'call_1', name: 'look', arguments: '{}' }, { type: 'usage', usage: { tokensIn: 7, tokensOut: 3 } }, finish);
    const { response } = events.at(-1) as OpenAI.Responses.ResponseCompletedEvent;
    await server.parts.storage.write((queries) => queries.deleteFrom('turn_log').where('message_id', '=', response.id.slice('resp_'.length)).execute());
    const again = await followed(response.id);
    expect(numbered(again)).toBe(true);
    expect(again.at(-1)).toMatchObject({ type: 'response.completed', response: { model, output: response.output, usage: response.usage } });
  });

  it('while it is still being made, continues where the first reader stopped', async () => {
    const asked = await openai.responses.create({ model, input: 'Hello?', stream: true, background: true });
    const events = asked[Symbol.asyncIterator]();
    const call = await server.models.call();
    call.text('One ');
    const seen: StreamEvent[] = [];
    while (seen.at(-1)?.type !== 'response.output_text.delta') seen.push((await events.next()).value!);
    asked.controller.abort();
    call.text('two.');
    const { id } = (seen[0] as OpenAI.Responses.ResponseCreatedEvent).response;
    const rest = followed(id, seen.at(-1)!.sequence_number);
    call.finish();
    const all = [...seen, ...(await rest)];
    expect(numbered(all)).toBe(true);
    expect(all.map(({ type }) => type).slice(0, 3)).toEqual(['response.created', 'response.queued', 'response.in_progress']);
    expect(all.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : [])).join('')).toBe('One two.');
    expect(all.at(-1)).toMatchObject({ type: 'response.completed', response: { output: [{ content: [{ text: 'One two.' }] }] } });
  });
});

describe('A response in the background', () => {
  it('is answered at once, and goes on by itself', async () => {
    const response = await openai.responses.create({ model, input: 'Hello?', background: true });
    expect(response).toMatchObject({ status: 'in_progress', background: true, output: [], usage: null, completed_at: null });
    const call = await server.models.call();
    call.text('Working ');
    await expect.poll(async () => (await openai.responses.retrieve(response.id)).output).toMatchObject([{ status: 'in_progress', content: [{ text: 'Working ' }] }]);
    const waiting = await openai.responses.create({ model, input: 'And then?', background: true, previous_response_id: response.id });
    expect(waiting.status).toBe('queued');
    call.text('done.');
    call.finish();
    const next = await server.models.call();
    next.text('Then this.');
    next.finish();
    await followed(waiting.id);
    expect(await openai.responses.retrieve(response.id)).toMatchObject({ status: 'completed', output_text: 'Working done.' });
    expect(await openai.responses.retrieve(waiting.id)).toMatchObject({ status: 'completed', output_text: 'Then this.' });
  });

  it('can be cancelled, and keeps what it said', async () => {
    const { id } = await openai.responses.create({ model, input: 'Hello?', background: true });
    const call = await server.models.call();
    call.text('Half');
    await expect.poll(async () => (await openai.responses.retrieve(id)).output.length).toBe(1);
    expect(await openai.responses.cancel(id)).toMatchObject({ id, status: 'cancelled', error: null, output: [{ status: 'incomplete', content: [{ text: 'Half' }] }] });
    expect(call.signal.aborted).toBe(true);
    expect(await openai.responses.cancel(id)).toMatchObject({ status: 'cancelled' });
    expect((await followed(id)).at(-1)).toMatchObject({ type: 'response.incomplete', response: { status: 'cancelled' } });
  });

  it('says when it failed', async () => {
    const { id } = await openai.responses.create({ model, input: 'Hello?', background: true });
    (await server.models.call()).say({ type: 'error', error: { code: 'provider_error', message: 'Broken.', serviceFault: false } });
    expect((await followed(id)).map(({ type }) => type)).toEqual(['response.created', 'response.queued', 'response.in_progress', 'response.failed']);
    expect(await openai.responses.retrieve(id)).toMatchObject({ status: 'failed', error: { code: 'server_error', message: 'Broken.' }, output: [] });
  });

  it('is the only kind that can be cancelled', async () => {
    const events = await streamed({}, ...text('Hi'), finish);
    await expect(openai.responses.cancel((events[0] as OpenAI.Responses.ResponseCreatedEvent).response.id)).rejects.toMatchObject({ status: 400 });
  });
});
