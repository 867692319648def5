import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { events } from '../kill/http-client.ts';
import { modelId } from '../kill/upstream.ts';
import { createDatabase, type FreshDatabase } from './database.ts';
import { ask, openInstances, register, type Instance, type Instances, type Person } from './instances.ts';

const runs = Boolean(process.env['DATABASE_URL_TEST'] && process.env['REDIS_URL_TEST']);

interface Run {
  run_id: string;
  status: string;
  output: string | null;
  stages: { status: string; attempt: number; output: string | null }[];
}

describe.skipIf(!runs)('Pipelines on several servers', () => {
  let database: FreshDatabase;
  let instances: Instances;
  let here: Instance;
  let there: Instance;
  let ann: Person;

  beforeAll(async () => {
    database = await createDatabase();
    instances = await openInstances({ databaseUrl: database.url, redisUrl: process.env['REDIS_URL_TEST']!, count: 2 });
    [here, there] = instances.all as [Instance, Instance];
    await register(here, 'owner');
    ann = await register(there, 'ann');
    // An answer takes longer than a stopping server waits for it.
    instances.upstream.pace(100);
  });
  afterAll(async () => {
    await instances?.close();
    await database?.close();
  });

  const begin = async (at: Instance): Promise<Run> => {
    const stages = ['one', 'two'].map((name) => ({ name, model: modelId, prompt: 'q1 {{input}}' }));
    return (await ask(at, ann, 'POST', '/api/v4/ai/pipeline/run', { type: 'sequential', input: 'Seven', stages, wait: false })).body as Run;
  };
  const look = async (at: Instance, { run_id: id }: Run): Promise<Run> => (await ask(at, ann, 'GET', `/api/v4/ai/pipeline/runs/${id}`)).body as Run;
  const states = async (at: Instance, run: Run): Promise<string[]> => (await look(at, run)).stages.map(({ status }) => status);

  test('are ended from any of them, with the calls that go on', { timeout: 30_000 }, async () => {
    const run = await begin(here);
    await expect.poll(() => states(there, run), { interval: 20 }).toEqual(['running', 'queued']);
    await expect.poll(() => instances.upstream.answers.size, { interval: 20 }).toBe(1);
    const ended = (await ask(there, ann, 'DELETE', `/api/v4/ai/pipeline/runs/${run.run_id}`)).body as Run;
    expect(ended).toMatchObject({ status: 'cancelled', stages: [{ status: 'cancelled' }, { status: 'cancelled' }] });
    const before = performance.now();
    await instances.upstream.quiet();
    expect(performance.now() - before).toBeLessThan(1000);
    expect(instances.upstream.answers.size).toBe(1);
  });

  test('are heard on any of them, and go on when the one that works on them stops', { timeout: 40_000 }, async () => {
    const run = await begin(here);
    const heard: Record<string, string> = {};
    const seen: string[] = [];
    const listening = (async () => {
      for await (const { event, data } of events({ method: 'GET', url: `${there.address}/api/v4/ai/pipeline/runs/${run.run_id}/events`, token: ann.token })) {
        const body = JSON.parse(data) as { stage?: string; name?: string; text?: string; output?: string };
        seen.push(event);
        if (event === 'stage_started') heard[body.name!] = '';
        if (event === 'piece') heard[body.stage!] += body.text!;
        if (event === 'done') return body.output!;
      }
      throw new Error(`The events ended without an end: ${seen.join(' ')}`);
    })();
    await expect.poll(() => states(there, run), { timeout: 10_000, interval: 20 }).toEqual(['completed', 'running']);
    await here.end();
    const output = await listening;
    const ended = await look(there, run);
    expect(ended).toMatchObject({ status: 'completed', output, stages: [{ attempt: 1, output: heard['one'] }, { attempt: 2, output: heard['two'] }] });
    expect(output).toBe([...instances.upstream.answers.values()].at(-1)!.text);
  });
});
