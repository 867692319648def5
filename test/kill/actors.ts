import { setTimeout as delay } from 'node:timers/promises';
import { ConnectionLost, events, RefusedStream, type ClientAnswer } from './http-client.ts';
import { StrictReader, type KnownAnswer } from './ledger.ts';
import type { Random } from './random.ts';
import { listenOnSocket } from './socket-client.ts';
import { modelId, tagOf } from './upstream.ts';
import type { World } from './world.ts';

/** Fields of a whole message of the arketic dialect that are looked at here. */
interface WholeMessage {
  id: string;
  content: string;
  status: string;
  parent_id: string | null;
}

/** Someone with an account. */
export interface Person {
  token: string;
}

interface Chat {
  id: string;
  world: World;
  person: Person;
  random: Random;
  /** The last answer that has ended on the shown branch, to act on. */
  last: { answer: KnownAnswer; questionId: string } | null;
}

const path = (chat: Chat, rest = ''): string => `/api/v1/chat/chats/${chat.id}${rest}`;

/** One client that goes on until the world is finishing: makes chats, asks, follows, stops, asks again. */
export async function actArketic(world: World, person: Person, random: Random): Promise<void> {
  while (!world.finishing) {
    const chat = await makeChat(world, person, random);
    const deeds = random.whole(2, 8);
    let listening: AbortController | null = null;
    for (let deed = 0; deed < deeds && !world.finishing; deed += 1) {
      if (listening === null && random.chance(0.3)) {
        listening = new AbortController();
        void listenOnSocket(world, person, chat.id, random.fork(), listening.signal);
      }
      await random.pick([ask, ask, askSeveral, askAndStop, askInTwoTabs, again, goOn, edit])(chat);
    }
    listening?.abort();
    if (random.chance(0.1)) await remove(chat);
  }
}

async function makeChat(world: World, person: Person, random: Random): Promise<Chat> {
  const answer = await world.ask(random, { method: 'POST', path: '/api/v1/chat/chats', token: person.token, body: { title: 'chat', ai_model: modelId, auto_title: random.chance(0.5) } });
  expectStatus(world, answer, [200], 'making a chat');
  const { id } = answer.body as { id: string };
  world.ledger.chats.set(id, { deleted: false, unanswered: 0 });
  world.ledger.activity.chats += 1;
  return { id, world, person, random, last: null };
}

function expectStatus(world: World, answer: ClientAnswer, allowed: number[], deed: string): boolean {
  if (allowed.includes(answer.status)) return true;
  world.ledger.fault('unexpected answer', `${deed}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return false;
}

/** Sends a message with a key, as often as it takes to be told that it is there. */
async function send(chat: Chat): Promise<{ answer: KnownAnswer; questionId: string } | null> {
  const { world, random, person } = chat;
  const content = world.ledger.nextQuestion();
  const headers = { 'idempotency-key': tagOf(content)! };
  const answer = await world.ask(random, { method: 'POST', path: path(chat, '/messages?include=answer'), token: person.token, headers, body: { content } });
  if (!expectStatus(world, answer, [200, 429], 'sending') || answer.status === 429) return null;
  return noteSent(chat, answer.body as { message: WholeMessage; answer: WholeMessage });
}

function noteSent(chat: Chat, sent: { message: WholeMessage; answer: WholeMessage }): { answer: KnownAnswer; questionId: string } {
  const { ledger } = chat.world;
  ledger.acknowledge({ id: sent.message.id, chatId: chat.id, content: sent.message.content });
  const answer = ledger.answer(sent.answer.id, chat.id, tagOf(sent.message.content)!);
  answer.observe(sent.answer.content);
  return { answer, questionId: sent.message.id };
}

/** Reads an answer to its end, whatever happens to the connection or the server. */
async function follow(chat: Chat, answer: KnownAnswer): Promise<void> {
  const reader = new StrictReader(answer);
  const { world, random, person } = chat;
  for (let attempt = 0; !(await readOn(chat, reader, attempt)); attempt += 1) {
    if (attempt > 0) world.ledger.activity.resumes += 1;
  }
  // Who asks again behind the end is told the end again, and nothing else.
  if (!random.chance(0.1)) return;
  const again = await world.ask(random, { method: 'GET', path: path(chat, `/messages/${answer.id}`), token: person.token });
  if (expectStatus(world, again, [200], 'reading an ended answer')) answer.end(again.body as WholeMessage);
}

/** One connection; true when the end was read. */
async function readOn(chat: Chat, reader: StrictReader, attempt: number): Promise<boolean> {
  const { world, random, person } = chat;
  const address = await world.up();
  const dropAfterMs = !world.finishing && random.chance(0.15) ? random.next() * 120 : null;
  const inHeader = random.chance(0.3);
  try {
    const stream = events({
      method: 'GET',
      url: `${address}${path(chat, `/messages/${reader.answer.id}/stream${inHeader ? '' : `?after=${reader.seq}`}`)}`,
      token: person.token,
      headers: inHeader ? { 'last-event-id': String(reader.seq) } : {},
      dropAfterMs,
    });
    for await (const { event, id, data } of stream) {
      world.ledger.activity.events += 1;
      const fields = JSON.parse(data) as { text: string; offset: number; message: WholeMessage };
      if (event === 'end') {
        reader.end(fields.message);
        return true;
      }
      reader.take(Number(id), event === 'text' ? fields : null);
    }
  } catch (error) {
    if (error instanceof RefusedStream && error.status !== 503) {
      reader.answer.fault(error.status === 404 ? 'answer lost' : 'unexpected answer', `attempt ${attempt}: ${error.message}`);
      return true;
    }
    if (!(error instanceof RefusedStream) && !(error instanceof ConnectionLost)) throw error;
  }
  await world.lost(dropAfterMs !== null);
  // Some stay away for a while: what was said meanwhile must be there when they come back, also from another process.
  if (!world.finishing && random.chance(0.4)) await delay(random.next() * 600);
  return false;
}

async function ask(chat: Chat): Promise<void> {
  const sent = await send(chat);
  if (!sent) return;
  await follow(chat, sent.answer);
  chat.last = sent;
}

/** Several messages at once: their answers wait for each other. */
async function askSeveral(chat: Chat): Promise<void> {
  const sent = await Promise.all(Array.from({ length: chat.random.whole(2, 4) }, () => send(chat)));
  await Promise.all(sent.map((one) => one && follow(chat, one.answer)));
  chat.last = null;
}

async function askAndStop(chat: Chat): Promise<void> {
  const sent = await send(chat);
  if (!sent) return;
  const following = follow(chat, sent.answer);
  await delay(chat.random.next() * 60);
  const stopped = await chat.world.ask(chat.random, { method: 'POST', path: path(chat, `/messages/${sent.answer.id}/cancel`), token: chat.person.token });
  if (expectStatus(chat.world, stopped, [200], 'stopping')) sent.answer.end(stopped.body as WholeMessage);
  await following;
  chat.last = sent;
}

async function askInTwoTabs(chat: Chat): Promise<void> {
  const sent = await send(chat);
  if (!sent) return;
  await Promise.all([follow(chat, sent.answer), delay(chat.random.next() * 80).then(() => follow(chat, sent.answer))]);
  chat.last = sent;
}

/** Makes the last answer again, on a branch beside it. Without a key it may have happened though nobody said so. */
async function again(chat: Chat): Promise<void> {
  await branch(chat, 'regenerate');
}

/** Goes on with an answer that was stopped or interrupted. */
async function goOn(chat: Chat): Promise<void> {
  const ending = chat.last?.answer.ending;
  if (ending && ['CANCELLED', 'INTERRUPTED'].includes(ending.status)) await branch(chat, 'continue');
  else await askAndStop(chat);
}

async function branch(chat: Chat, deed: 'regenerate' | 'continue'): Promise<void> {
  const { world, last, random, person } = chat;
  if (!last) return ask(chat);
  const before = last.answer.ending!.content;
  const made = await world.try(random, { method: 'POST', path: path(chat, `/messages/${last.answer.id}/${deed}`), token: person.token, body: {} });
  if (!made) return unanswered(chat);
  if (!expectStatus(world, made, [200, 409], deed) || made.status === 409) return void (chat.last = null);
  const message = made.body as WholeMessage;
  const answer = world.ledger.answer(message.id, chat.id, last.answer.question);
  await follow(chat, answer);
  if (deed === 'continue' && !answer.ending!.content.startsWith(before)) answer.fault('text lost', `it does not begin with the text it continues: "${before}"`);
  chat.last = { answer, questionId: last.questionId };
}

async function edit(chat: Chat): Promise<void> {
  const { world, last, random, person } = chat;
  if (!last) return ask(chat);
  const content = world.ledger.nextQuestion();
  const made = await world.try(random, { method: 'POST', path: path(chat, `/messages/${last.questionId}/edit`), token: person.token, body: { content } });
  if (!made) return unanswered(chat);
  if (!expectStatus(world, made, [200, 409], 'editing') || made.status === 409) return void (chat.last = null);
  const sent = noteSent(chat, made.body as { message: WholeMessage; answer: WholeMessage });
  await follow(chat, sent.answer);
  chat.last = sent;
}

/** A branch may have been made that no client knows of. */
function unanswered(chat: Chat): void {
  chat.world.ledger.chats.get(chat.id)!.unanswered += 1;
  chat.last = null;
}

/** Deletes the chat. From the first attempt on it may be gone; once acknowledged it must be. */
async function remove(chat: Chat): Promise<void> {
  const { world, random, person } = chat;
  world.ledger.chats.get(chat.id)!.deleted = true;
  const gone = await world.ask(random, { method: 'DELETE', path: path(chat), token: person.token });
  if (expectStatus(world, gone, [204, 404], 'deleting')) world.ledger.activity.chatsDeleted += 1;
  const after = await world.ask(random, { method: 'GET', path: path(chat), token: person.token });
  expectStatus(world, after, [404], 'reading a deleted chat');
}
