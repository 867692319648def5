import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { spawnServer, type ServerProcess } from '../kill/server-process.ts';
import { startStandIn, type StandIn } from '../stand-in/index.ts';

/** What the response said before its server ended. */
const said = 'One two ';

let dataDir: string;
let upstream: StandIn;
let server: ServerProcess;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'parley-responses-'));
  upstream = await startStandIn();
});
afterAll(async () => {
  server.kill('SIGKILL');
  await server.exited;
  await upstream.close();
  await rm(dataDir, { recursive: true, force: true });
});

/** Starts the server on the same folder, and a client of it. */
async function start(): Promise<OpenAI> {
  server = spawnServer({ dataDir, environment: { COMPATIBLE_SERVERS: `upstream=${upstream.url}/v1`, DRAIN_SECONDS: '0' } });
  const url = await server.ready;
  if (url === null) throw new Error(server.output());
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'local', maxRetries: 0 });
}

describe.each(['SIGKILL', 'SIGTERM'] as const)('A response in the background whose server ends in the middle of it (%s)', (signal) => {
  it('is found again: failed, with its text, and can be gone on from', async () => {
    let openai = await start();
    const answer = upstream.next({ pieces: ['One ', 'two ', 'three.'], gated: true });
    const { id } = await openai.responses.create({ model: 'upstream/gpt-4o', input: 'Count to three.', background: true, metadata: { kept: 'yes' } });
    const stream = await openai.responses.retrieve(id, { stream: true });
    answer.release(2);
    let text = '';
    let last = -1;
    for await (const event of stream) {
      last = event.sequence_number;
      if (event.type === 'response.output_text.delta') text += event.delta;
      if (text === said) break;
    }
    const waiting = await openai.responses.create({ model: 'upstream/gpt-4o', input: 'And to six.', background: true, previous_response_id: id });
    expect(waiting.status).toBe('queued');

    server.kill(signal);
    await server.exited;
    openai = await start();
    const response = await openai.responses.retrieve(id);
    expect(response).toMatchObject({
      id, status: 'failed', output_text: said, metadata: { kept: 'yes' }, background: true,
      error: { code: 'server_error', message: expect.stringContaining('The server stopped in the middle of this answer') },
      output: [{ status: 'incomplete', content: [{ text: said }] }],
    });
    const rest: OpenAI.Responses.ResponseStreamEvent[] = [];
    for await (const event of await openai.responses.retrieve(id, { stream: true, starting_after: last })) rest.push(event);
    expect(rest.map(({ type, sequence_number: number }) => [number - last, type])).toEqual([
      [1, 'response.output_text.done'], [2, 'response.content_part.done'], [3, 'response.output_item.done'], [4, 'response.failed'],
    ]);
    // What waited behind it is made now.
    for await (const event of await openai.responses.retrieve(waiting.id, { stream: true })) text = event.type;
    expect(text).toBe('response.completed');
    const next = await openai.responses.create({ model: 'upstream/gpt-4o', input: 'Go on.', previous_response_id: waiting.id });
    expect(next.status).toBe('completed');
    expect(upstream.requests.at(-1)!.body.messages!.map(({ content }) => content)).toEqual(['Count to three.', said, 'And to six.', expect.any(String), 'Go on.']);
    server.kill('SIGTERM');
    await server.exited;
  });
});
