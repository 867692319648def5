import { percentile } from '../load.ts';
import type { Measured, Row } from '../report.ts';
import { startMock, startParley } from '../servers.ts';
import { shortCadence } from '../shapes.ts';
import type { MeasureOptions } from './options.ts';

/** What the published document says of its own times, milliseconds. */
const documented = { register: 50, login: 30, logout: 10, history: 50, health: 1, clear: 20, stats: 20, docs: 10, firstToken: 150, nextToken: 20 };

/** Share above which a figure that the document calls "about" is missed. */
const about = 1.1;

/** Messages of the conversation whose history is asked for: as many as in the document's example. */
const messages = 150;

const hashReason = 'argon2id, 19 MiB and 2 passes: a sound hash is slower than this';

/** The times that the document of the friend dialect names, against a model service that says a word every 20 ms. */
export async function measureFriend({ quick }: MeasureOptions): Promise<Measured> {
  const mock = await startMock();
  const server = await startParley({ mock, environment: { DEFAULT_MODEL: `mock/${shortCadence.name}`, LIMIT_LOGINS_PER_MINUTE: '1000000' } });
  const url = `http://127.0.0.1:${server.port}`;
  try {
    const times = quick ? 20 : 60;
    // The first to register is the owner, who may see the figures of the server.
    const token = await signIn(url, 'register', 'reader');
    const people = await signIns(url, times);
    const words = await streams(url, token, quick ? 20 : messages / 2);
    const reads = await requests(url, token, times);
    const rows = [
      row('register', people.register, documented.register, hashReason),
      row('login', people.login, documented.login, hashReason),
      row('logout', people.logout, documented.logout),
      row(`history of ${words.first.length * 2} messages, newest 50`, reads.history, documented.history),
      row('clear', reads.clear, documented.clear),
      row('stats', reads.stats, documented.stats),
      row('health', reads.health, documented.health),
      row('docs', reads.docs, documented.docs),
      row('stream: first word', words.first, documented.firstToken, `the model service takes ${shortCadence.firstMs} of them`),
      row('stream: each next word', words.next, documented.nextToken, `the model service says one every ${shortCadence.everyMs}`),
    ];
    return { name: "the friend document's own timings", rows, details: { people, words, reads } };
  } finally {
    await server.stop();
    mock.stop();
  }
}

function row(what: string, unsorted: readonly number[], aim: number, reason?: string): Row {
  const sorted = unsorted.toSorted((one, other) => one - other);
  const middle = percentile(sorted, 0.5);
  const met = middle === null ? null : middle <= aim * about;
  const note = `p95 ${percentile(sorted, 0.95)?.toFixed(1)} ms of ${sorted.length}${reason === undefined ? '' : `; ${reason}`}`;
  return { what: `${what}, p50`, note, parley: middle, peer: null, peerName: '', unit: 'ms', aim: `~${aim}`, met };
}

async function timed(times: number[], work: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await work();
  times.push(performance.now() - began);
}

async function signIn(url: string, way: 'register' | 'login', username: string): Promise<string> {
  const body = { username, password: `the password of ${username}`, email: `${username}@example.com`, name: username };
  const answer = await fetch(`${url}/api/auth/${way}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${way}: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { access_token: string }).access_token;
}

async function signIns(url: string, count: number): Promise<Record<'register' | 'login' | 'logout', number[]>> {
  const figures = { register: [] as number[], login: [] as number[], logout: [] as number[] };
  for (let number = 0; number < count; number += 1) {
    let token = '';
    await timed(figures.register, () => signIn(url, 'register', `person${number}`));
    await timed(figures.login, async () => void (token = await signIn(url, 'login', `person${number}`)));
    await timed(figures.logout, () => ask(url, token, '/api/auth/logout', 'POST'));
  }
  return figures;
}

async function ask(url: string, token: string, path: string, method = 'GET'): Promise<void> {
  const answer = await fetch(url + path, { method, headers: { authorization: `Bearer ${token}` } });
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
}

async function requests(url: string, token: string, count: number): Promise<Record<'history' | 'clear' | 'stats' | 'health' | 'docs', number[]>> {
  const figures = { history: [] as number[], clear: [] as number[], stats: [] as number[], health: [] as number[], docs: [] as number[] };
  for (let number = 0; number < count; number += 1) {
    await timed(figures.history, () => ask(url, token, '/api/chat/history?limit=50'));
    await timed(figures.stats, () => ask(url, token, '/stats'));
    await timed(figures.health, () => ask(url, token, '/health'));
    await timed(figures.docs, () => ask(url, token, '/docs'));
  }
  for (let number = 0; number < count; number += 1) await timed(figures.clear, () => ask(url, token, '/api/chat/clear', 'DELETE'));
  return figures;
}

/** Streams replies one after another, into one conversation. */
async function streams(url: string, token: string, count: number): Promise<Record<'first' | 'next', number[]>> {
  const figures = { first: [] as number[], next: [] as number[] };
  for (let number = 0; number < count; number += 1) {
    const began = performance.now();
    const answer = await fetch(`${url}/api/chat/stream?message=Hello&token=${token}`);
    if (!answer.ok) throw new Error(`stream: ${answer.status} ${await answer.text()}`);
    let last: number | null = null;
    const decoder = new TextDecoder();
    for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
      const text = decoder.decode(piece, { stream: true });
      if (!text.includes('event: message')) continue;
      const now = performance.now();
      if (last === null) figures.first.push(now - began);
      else figures.next.push(now - last);
      last = now;
    }
  }
  return figures;
}
