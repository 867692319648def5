import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Person } from '../kill/actors.ts';
import { call, ConnectionLost, events, RefusedStream } from '../kill/http-client.ts';
import type { Random } from '../kill/random.ts';
import { modelId, tagOf } from '../kill/upstream.ts';
import type { World } from '../kill/world.ts';
import { shakyModelId } from './shaky-service.ts';

/** What was done beside what the kill driver's clients do, so that no errors of nothing is not taken for a success. */
export interface Deeds {
  pages: number;
  unkept: number;
  troubled: number;
  /** Calls of the shaky service that it answered after all. */
  answeredAllTheSame: number;
  idleSockets: number;
  dropped: number;
}

/** Statuses with which a server says that a model service failed, or refused. */
const failures = new Set([400, 429, 502, 503, 504]);

/** Reads what the page reads, and what is not there. */
export async function readPages(world: World, person: Person, random: Random, deeds: Deeds): Promise<void> {
  let chats: string[] = [];
  while (!world.finishing) {
    const chat = chats.length > 0 ? random.pick(chats) : null;
    const [path, allowed] = random.pick<[string, number[]]>([
      ['/api/v1/chat/chats', [200]],
      [chat === null ? '/api/v1/chat/chats' : `/api/v1/chat/chats/${chat}?include=branches&limit=100`, [200, 404]],
      ['/api/v1/chat/models', [200]],
      ['/api/auth/session', [200]],
      ['/v1/models', [200]],
      ['/health', [200]],
      ['/api/v1/chat/chats/00000000-0000-7000-8000-000000000000', [404]],
      ['/nothing/here', [404]],
    ]);
    const answer = await world.try(random, { method: 'GET', path, token: person.token });
    if (answer) {
      deeds.pages += 1;
      if (!allowed.includes(answer.status)) world.ledger.fault('unexpected answer', `reading ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      if (path === '/api/v1/chat/chats' && answer.status === 200) chats = (answer.body as { id: string }[]).slice(0, 20).map(({ id }) => id);
    }
    await delay(random.whole(5, 40));
  }
}

/** Asks without keeping anything, or keeps an answer that it takes as a whole. */
export async function askWhole(world: World, person: Person, random: Random, deeds: Deeds): Promise<void> {
  while (!world.finishing) {
    const body = { model: modelId, stream: random.chance(0.5), store: false, messages: [{ role: 'user', content: world.ledger.nextQuestion() }] };
    if (!body.stream) body.store = random.chance(0.5);
    const said = await complete(world, person, random, body, deeds);
    if (said === null) continue;
    deeds.unkept += 1;
    const question = tagOf(body.messages[0]!.content)!;
    if (said.status !== 200 || said.broke) world.ledger.fault('unexpected answer', `a completion: ${said.status} ${said.text.slice(0, 200)}`);
    else if (!said.text.startsWith(`<${question} `)) world.ledger.fault('wrong answer', `${question} was answered with "${said.text.slice(0, 40)}"`);
  }
}

/** Asks the service that does everything wrong. Every failure must be told as one, and none is the server's own. */
export async function askShaky(world: World, person: Person, random: Random, deeds: Deeds): Promise<void> {
  while (!world.finishing) {
    const body = { model: shakyModelId, stream: random.chance(0.5), store: random.chance(0.5), messages: [{ role: 'user', content: world.ledger.nextQuestion() }] };
    const said = await complete(world, person, random, body, deeds);
    if (said !== null) {
      deeds.troubled += 1;
      if (said.status === 200 && !said.broke) deeds.answeredAllTheSame += 1;
      else if (said.status !== 200 && !failures.has(said.status)) world.ledger.fault('unexpected answer', `a failing service: ${said.status} ${said.text.slice(0, 200)}`);
    }
    await delay(random.whole(10, 60));
  }
}

interface Said {
  status: number;
  text: string;
  /** Whether a stream ended with an error in place of `[DONE]`. */
  broke: boolean;
}

interface Completion {
  choices?: { delta?: { content?: string | null }; message?: { content?: string | null } }[];
}

/** One completion; null when this side broke the connection, or it was lost. */
async function complete(world: World, person: Person, random: Random, body: { stream: boolean }, deeds: Deeds): Promise<Said | null> {
  const request = { method: 'POST' as const, url: `${await world.up()}/v1/chat/completions`, token: person.token, body, dropAfterMs: world.dropAfter(random) };
  try {
    if (!body.stream) {
      const answer = await call(request);
      return { status: answer.status, text: (answer.body as Completion).choices?.[0]?.message?.content ?? JSON.stringify(answer.body), broke: false };
    }
    const said: Said = { status: 200, text: '', broke: true };
    for await (const { data } of events(request)) {
      if (data === '[DONE]') said.broke = false;
      else said.text += (JSON.parse(data) as Completion).choices?.[0]?.delta?.content ?? '';
    }
    return said;
  } catch (error) {
    if (error instanceof RefusedStream) return { status: error.status, text: error.message, broke: true };
    if (!(error instanceof ConnectionLost)) throw error;
    if (request.dropAfterMs === null) world.ledger.fault('unexpected answer', `a completion was cut off: ${error.message}`);
    deeds.dropped += 1;
    return null;
  }
}

/** Opens a socket, looks at its chat for a while, says nothing but a heartbeat, and leaves, sometimes without a word. */
export async function idleOnSockets(world: World, person: Person, random: Random, deeds: Deeds): Promise<void> {
  const made = await world.ask(random, { method: 'POST', path: '/api/v1/chat/chats', token: person.token, body: { title: 'idle' } });
  const { id } = made.body as { id: string };
  world.ledger.chats.set(id, { deleted: false, unanswered: 0 });
  while (!world.finishing) {
    const socket = new WebSocket(`${(await world.up()).replace('http', 'ws')}/api/v1/chat/chats/${id}/ws?token=${person.token}`);
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.on('error', () => socket.terminate());
    socket.once('message', () => socket.send('{"type":"heartbeat"}'));
    const early = await Promise.race([closed, delay(random.whole(20, 400), null)]);
    if (early !== null) world.ledger.fault('unexpected answer', `an idle socket was closed with ${early}`);
    deeds.idleSockets += 1;
    if (random.chance(0.5)) socket.terminate();
    else socket.close();
    await closed;
  }
}
