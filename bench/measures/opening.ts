import { percentile } from '../load.ts';
import { type Measured } from '../report.ts';
import { startMock, startParley, type ParleyServer } from '../servers.ts';
import { tiny } from '../shapes.ts';
import type { MeasureOptions } from './options.ts';

const wanted = 10_000;
/** Messages that one request may bring along. */
const broughtAlong = 4095;
const opens = 100;

/** Opening a conversation of 10,000 messages: its newest page, as the page asks for it. */
export async function measureOpening({ quick }: MeasureOptions): Promise<Measured> {
  const mock = await startMock();
  const server = await startParley({ mock });
  try {
    const chatId = await fill(server, quick ? 5000 : wanted);
    const { messages: newest } = await open(server, chatId, 'limit=2');
    const page = await openOften(server, chatId, 'limit=100&include=branches');
    const large = await openOften(server, chatId, 'limit=1000&include=branches');
    const oldest = await openOften(server, chatId, 'limit=100&offset=9000&include=branches');
    const row = (what: string, sorted: number[], aim: number | null) => {
      const p95 = percentile(sorted, 0.95);
      return { what: `${what}, p95 of ${opens}`, note: `p50 ${percentile(sorted, 0.5)!.toFixed(1)} ms`, parley: p95, peer: null, peerName: '', unit: 'ms', aim: aim === null ? '-' : `<= ${aim}`, met: aim === null || p95 === null ? null : p95 <= aim };
    };
    return {
      name: `opening a conversation of ${newest.at(-1)?.seq ?? 0} messages`,
      rows: [row('newest 100', page, 300), row('newest 1,000', large, 300), row('100 messages, 9,000 back', oldest, null)],
      details: { page, large, oldest },
    };
  } finally {
    await server.stop();
    mock.stop();
  }
}

interface Opened {
  messages: { seq: number }[];
}

async function open(server: ParleyServer, chatId: string, query: string): Promise<Opened> {
  const answer = await fetch(`http://127.0.0.1:${server.port}/api/v1/chat/chats/${chatId}?include=branches&${query}`, { headers: { authorization: `Bearer ${server.key}` } });
  if (answer.status !== 200) throw new Error(`The conversation cannot be opened: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Opened;
}

async function openOften(server: ParleyServer, chatId: string, query: string): Promise<number[]> {
  const times: number[] = [];
  for (let count = 0; count < opens; count += 1) {
    const began = performance.now();
    const answer = await fetch(`http://127.0.0.1:${server.port}/api/v1/chat/chats/${chatId}?${query}`, { headers: { authorization: `Bearer ${server.key}` } });
    await answer.arrayBuffer();
    times.push(performance.now() - began);
  }
  return times.sort((one, other) => one - other);
}

/** Fills a conversation: a long history at once, then by sending, as people do. */
async function fill(server: ParleyServer, count: number): Promise<string> {
  const headers = { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' };
  const sentence = 'A sentence of the length that people write to each other, with a few words more, so that it is not too short. ';
  const history = Array.from({ length: broughtAlong }, (_, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content: `${index} ${sentence}${index % 2 === 0 ? '' : sentence.repeat(4)}` }));
  history.push({ role: 'user', content: 'The last of the first.' });
  const first = await fetch(`http://127.0.0.1:${server.port}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify({ model: `mock/${tiny.name}`, store: true, messages: history }) });
  if (first.status !== 200) throw new Error(`The history is refused: ${first.status} ${await first.text()}`);
  await first.json();
  const base = `http://127.0.0.1:${server.port}/api/v1/chat/chats`;
  const chats = (await (await fetch(base, { headers })).json()) as { id: string }[];
  const chatId = chats[0]!.id;
  await fetch(`${base}/${chatId}`, { method: 'PATCH', headers, body: JSON.stringify({ ai_model: `mock/${tiny.name}` }) });
  for (let seq = broughtAlong + 2; seq < count; seq += 2) {
    const sent = await fetch(`${base}/${chatId}/messages?include=answer`, { method: 'POST', headers, body: JSON.stringify({ content: `${seq} ${sentence}` }) });
    if (sent.status !== 200) throw new Error(`Message ${seq} is refused: ${sent.status} ${await sent.text()}`);
    const { answer } = (await sent.json()) as { answer: { id: string } };
    await (await fetch(`${base}/${chatId}/messages/${answer.id}/stream`, { headers })).text();
  }
  return chatId;
}
