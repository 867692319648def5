import { WebSocket } from 'ws';
import type { Person } from './actors.ts';
import { LooseReader } from './ledger.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Frames of the raw WebSocket that are looked at here. */
interface Frame {
  type: string;
  message_id?: string;
  chunk?: string;
  offset?: number;
  full_content?: string;
  message?: { id: string; content: string; status?: string };
  error?: string;
  error_code?: string;
}

/** Milliseconds after which a socket is opened again. */
const againMs = 20;

/**
 * Listens to a chat until told to stop; comes back when the socket breaks. What it hears of answers that are known is
 * held against what others saw.
 */
export async function listenOnSocket(world: World, person: Person, chatId: string, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !world.finishing) {
    const address = (await world.up()).replace('http', 'ws');
    const whole = random.chance(0.3) ? '' : '&full_content=false';
    await listenOnce(world, new WebSocket(`${address}/api/v1/chat/chats/${chatId}/ws?token=${person.token}${whole}`), random, signal);
    await new Promise((resolve) => setTimeout(resolve, againMs));
  }
}

function listenOnce(world: World, socket: WebSocket, random: Random, signal: AbortSignal): Promise<void> {
  const readers = new Map<string, LooseReader>();
  const drop = random.chance(0.3) ? setTimeout(() => socket.terminate(), random.next() * 300) : undefined;
  const stop = (): void => socket.terminate();
  signal.addEventListener('abort', stop, { once: true });
  socket.on('message', (data: Buffer) => {
    world.ledger.activity.events += 1;
    const frame = JSON.parse(data.toString('utf8')) as Frame;
    const asked = hear(world, readers, frame);
    // What began before this socket did is asked for from its beginning, now and then.
    if (asked && random.chance(0.5)) socket.send(JSON.stringify({ type: 'attach', message_id: asked, after_seq: 0 }));
  });
  return new Promise((resolve) => {
    socket.on('error', () => socket.terminate());
    socket.on('close', (code) => {
      clearTimeout(drop);
      signal.removeEventListener('abort', stop);
      if ([4400, 4401, 4403, 4408, 4429].includes(code)) world.ledger.fault('unexpected answer', `a socket was closed with ${code}`);
      resolve();
    });
  });
}

/** Takes a frame; returns the id of an answer whose beginning was missed. */
function hear(world: World, readers: Map<string, LooseReader>, frame: Frame): string | null {
  const id = frame.message_id ?? frame.message?.id;
  const answer = id === undefined ? undefined : world.ledger.answers.get(id);
  if (id === undefined || !answer) return null;
  const isNew = !readers.has(id);
  const reader = readers.get(id) ?? new LooseReader(answer);
  readers.set(id, reader);
  if (frame.type === 'ai_response_chunk') {
    reader.take(frame.offset!, frame.chunk!);
    if (frame.full_content !== undefined) answer.observe(frame.full_content);
    return isNew && frame.offset! > 0 ? id : null;
  }
  if (frame.type === 'ai_response_complete') reader.end({ status: frame.message!.status!, content: frame.message!.content });
  return null;
}
