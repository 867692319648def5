import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer, type TestUser } from '../testing.ts';
import { joined, openStream, type StreamEvent } from './testing.ts';

const texts: [name: string, pieces: string[]][] = [
  ['nothing', []],
  ['one space', [' ']],
  ['spaces alone', ['  ', ' ']],
  ['spaces at both ends', ['  a', ' ', ' b  ']],
  ['line breaks at the borders of pieces', ['a\n', '\nb \n', ' c\n']],
  ['line breaks of two characters, cut', ['a\r', '\nb\r\n ', '\r', 'c\r']],
  ['a pair of surrogates, cut', ['wa\ud83d', '\ude00 it \ud83d', '\ude00']],
  ['fields of the format itself', ['data: x\n\nevent: done\nid: 7\n', ': comment data:']],
];

/** What a stream can carry: a carriage return comes as a line break. */
const asSent = (text: string): string => text.replaceAll(/\r\n?/g, '\n');

describe('A streamed reply, come back to', () => {
  let server: TestServer;
  let ann: TestUser;
  beforeAll(async () => {
    server = await startTestServer({ settings: { LIMIT_FRIEND_MESSAGES_PER_MINUTE: '10000' } });
    ann = await server.user('ann');
  });
  afterAll(() => server.stop());
  const stored = async (): Promise<string> => (await server.request('GET', '/api/chat/history', { as: ann })).json.messages.at(-1).content;

  it.each(texts)('behind any of its ids goes on with exactly the rest: %s', async (_name, pieces) => {
    server.models.answerWith(pieces);
    const stream = await openStream(server, 'message=Hello', { as: ann });
    const events = await stream.rest();
    expect(events.at(-1)).toMatchObject({ event: 'done', data: 'complete' });
    expect(joined(events)).toBe(asSent(pieces.join('')));
    expect(await stored()).toBe(pieces.join(''));
    const answerId = stream.lastId()!.split('.')[0]!;
    const ids = [`${answerId}.0`, ...events.map(({ id }) => id!)];
    for (const [told, lastId] of ids.entries()) {
      const again = await openStream(server, 'message=Hello', { as: ann, lastId });
      const rest: StreamEvent[] = again.status === 204 ? [] : await again.rest();
      const words = events.filter(({ event }) => event === 'message');
      expect(rest.filter(({ event }) => event === 'message'), lastId).toEqual(words.slice(told));
    }
  });

  it('is whole at a million characters', async () => {
    const text = Array.from({ length: 100_000 }, (_, index) => `word${index % 7} ${index % 11 === 0 ? '\n' : ''}`).join('').padEnd(1_000_000, 'x');
    server.models.answerWith(text.match(/.{1,5000}/gs)!);
    const events = await (await openStream(server, 'message=Hello', { as: ann })).rest();
    expect(joined(events)).toBe(text);
    const lastId = events[50_000]!.id;
    expect(joined([...events.slice(0, 50_001), ...(await (await openStream(server, 'message=Hello', { as: ann, lastId })).rest())])).toBe(text);
  });
});
