import { ConnectionLost, events, RefusedStream } from './http-client.ts';
import type { Person } from './actors.ts';
import type { KnownAnswer } from './ledger.ts';
import type { Random } from './random.ts';
import { modelId, tagOf } from './upstream.ts';
import type { World } from './world.ts';

interface Turn {
  role: 'user' | 'assistant';
  content: string;
}

interface Chunk {
  id?: string;
  choices?: { delta: { content?: string } }[];
  error?: { message: string };
}

/** A client of the OpenAI dialect that has its answers kept. It sends its whole history with each question. */
export async function actOpenai(world: World, person: Person, random: Random): Promise<void> {
  while (!world.finishing) {
    const history: Turn[] = [];
    const turns = random.whole(1, 5);
    for (let turn = 0; turn < turns && !world.finishing; turn += 1) {
      const said = await complete(world, person, random, history);
      // A broken answer cannot be had again in this dialect: this client begins anew.
      if (said === null) break;
      history.push(...said);
    }
  }
}

/** Asks with a key, again if nothing came at all. Null when the answer broke off. */
async function complete(world: World, person: Person, random: Random, history: readonly Turn[]): Promise<Turn[] | null> {
  const content = world.ledger.nextQuestion();
  const question: Turn = { role: 'user', content };
  for (;;) {
    const heard = await listen(world, person, random, [...history, question]);
    if (heard.done) return [question, { role: 'assistant', content: heard.text }];
    if (heard.refused || random.chance(0.5)) return null;
    // With the same key the same answer comes again, from its beginning.
  }
}

interface Heard {
  answer: KnownAnswer | null;
  text: string;
  done: boolean;
  refused: boolean;
}

async function listen(world: World, person: Person, random: Random, messages: Turn[]): Promise<Heard> {
  const question = messages.at(-1)!.content;
  const heard: Heard = { answer: null, text: '', done: false, refused: false };
  const address = await world.up();
  const dropAfterMs = world.dropAfter(random);
  try {
    const stream = events({
      method: 'POST',
      url: `${address}/v1/chat/completions`,
      token: person.token,
      headers: { 'idempotency-key': tagOf(question)! },
      body: { model: modelId, stream: true, store: true, messages },
      dropAfterMs,
    });
    for await (const { data } of stream) hear(world, question, heard, data);
    if (heard.done || heard.refused) return heard;
  } catch (error) {
    if (error instanceof RefusedStream) {
      heard.refused = error.status !== 503;
      // An answer that was interrupted before its first word is told as an error, to whoever asks for it again.
      const isInterrupted = error.message.includes('The server stopped in the middle of the answer');
      if (heard.refused && !isInterrupted) world.ledger.fault('unexpected answer', `a completion: ${error.message}`);
    } else if (!(error instanceof ConnectionLost)) throw error;
  }
  await world.lost(dropAfterMs !== null);
  return heard;
}

function hear(world: World, question: string, heard: Heard, data: string): void {
  world.ledger.activity.events += 1;
  if (data === '[DONE]') {
    heard.done = true;
    heard.answer?.end({ status: 'DELIVERED', content: heard.text });
    return;
  }
  const chunk = JSON.parse(data) as Chunk;
  if (chunk.error) {
    heard.refused = true;
    if (!chunk.error.message.includes('The server stopped in the middle of the answer')) world.ledger.fault('unexpected answer', `a completion ended with ${data}`);
    return;
  }
  heard.answer ??= world.ledger.answer(chunk.id!.replace('chatcmpl-', ''), null, tagOf(question)!);
  heard.text += chunk.choices?.[0]?.delta.content ?? '';
  heard.answer.observe(heard.text);
}
