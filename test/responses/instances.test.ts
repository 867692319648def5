import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type FreshDatabase } from '../instances/database.ts';
import { openInstances, register, type Instances } from '../instances/instances.ts';
import { modelId } from '../kill/upstream.ts';

const runs = Boolean(process.env['DATABASE_URL_TEST'] && process.env['REDIS_URL_TEST']);

describe.skipIf(!runs)('Responses on two instances', () => {
  let database: FreshDatabase;
  let instances: Instances;
  let first: OpenAI;
  let second: OpenAI;

  beforeAll(async () => {
    database = await createDatabase();
    instances = await openInstances({ databaseUrl: database.url, redisUrl: process.env['REDIS_URL_TEST']!, count: 2, words: { fewest: 200, most: 200 } });
    const { token } = await register(instances.all[0]!, 'ann');
    [first, second] = instances.all.map(({ address }) => new OpenAI({ baseURL: `${address}/v1`, apiKey: token, maxRetries: 0 })) as [OpenAI, OpenAI];
  });
  afterAll(async () => {
    await instances?.close();
    await database?.close();
  });

  it('made on one, it is followed on the other: exactly behind what the first had told', async () => {
    const seen: OpenAI.Responses.ResponseStreamEvent[] = [];
    const stream = await first.responses.create({ model: modelId, input: 'Hello?', background: true, stream: true });
    for await (const event of stream) {
      seen.push(event);
      if (seen.filter(({ type }) => type === 'response.output_text.delta').length === 3) break;
    }
    const { id } = (seen[0] as OpenAI.Responses.ResponseCreatedEvent).response;
    for await (const event of await second.responses.retrieve(id, { stream: true, starting_after: seen.at(-1)!.sequence_number })) seen.push(event);
    expect(seen.map(({ sequence_number: number }) => number)).toEqual(seen.map((_, at) => at));
    const text = seen.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : [])).join('');
    const whole = await first.responses.retrieve(id);
    expect(whole.status).toBe('completed');
    expect(text).toBe(whole.output_text);
    const next = await second.responses.create({ model: modelId, input: 'And then?', previous_response_id: id });
    expect(next.status).toBe('completed');
  });

  it('made on one, it is cancelled on the other', async () => {
    instances.upstream.pace(20);
    const { id } = await first.responses.create({ model: modelId, input: 'Hello?', background: true });
    for await (const event of await second.responses.retrieve(id, { stream: true })) if (event.type === 'response.output_text.delta') break;
    const cancelled = await second.responses.cancel(id);
    expect(cancelled.status).toBe('cancelled');
    expect(await first.responses.retrieve(id)).toMatchObject(cancelled);
  });

  it('made on one that dies, it is failed on the other, with its text, and the chain goes on there', async () => {
    instances.upstream.pace(20);
    const { id } = await first.responses.create({ model: modelId, input: 'Hello?', background: true });
    let text = '';
    let end = '';
    for await (const event of await second.responses.retrieve(id, { stream: true })) {
      if (event.type === 'response.output_text.delta' && text === '') await instances.all[0]!.kill();
      if (event.type === 'response.output_text.delta') text += event.delta;
      end = event.type;
    }
    expect(end).toBe('response.failed');
    expect(await second.responses.retrieve(id)).toMatchObject({ status: 'failed', output_text: text, error: { code: 'server_error' } });
    instances.upstream.pace(null);
    expect(await second.responses.create({ model: modelId, input: 'Again?', previous_response_id: id })).toMatchObject({ status: 'completed' });
  });
});
