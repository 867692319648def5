import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { addViewer } from '../../core/conversations/testing.ts';
import type { ModelBatch } from '../../core/models/index.ts';
import { answer, questionOf, startPipelines } from './testing.ts';
import type { BatchItem, BatchOptions } from './types.ts';

const options: BatchOptions = { backendModel: null, maxTokens: 50, temperature: 0 };
const items = (count: number, model = 'scripted/one'): BatchItem[] => Array.from({ length: count }, (_item, at) => ({ model, input: `Text ${at}` }));

describe('A batch', () => {
  let database: TestStorage;
  let house: Awaited<ReturnType<typeof startPipelines>>;
  let ann: Viewer;
  const never = new AbortController().signal;

  beforeEach(async () => {
    database = await openTestStorage('sqlite');
    house = await startPipelines(database);
    ann = await addViewer(database.storage, 'ann');
  });
  afterEach(async () => {
    await house.stop();
    await database.close();
  });

  it('keeps the order, lets a bad item fail alone, and leaves a row of usage for each', async () => {
    const batch = house.pipelines.batch(ann, [...items(3), { model: 'missing', input: 'x' }, { model: 'sentiment', input: 'Text 4' }], options, never);
    const calls = [await house.models.call(), await house.models.call(), await house.models.call()];
    expect(calls.map(questionOf)).toEqual(['Text 0', 'Text 1', 'Text 2']);
    expect(calls[0]!.request).toMatchObject({ maxTokens: 50, temperature: 0, whole: true });
    answer(calls[2]!, 'Two');
    calls[1]!.say({ type: 'error', error: { code: 'context_overflow', message: 'Too long.', serviceFault: false } });
    answer(calls[0]!, 'Ze', 'ro');
    const profiled = await house.models.call();
    expect(profiled.request.messages[0]).toMatchObject({ role: 'system', content: expect.stringContaining('mood') });
    answer(profiled, 'Four');
    const { items: outcomes, groups, durationMs } = await batch;
    expect(outcomes).toMatchObject([
      { output: 'Zero', model: 'scripted/one', tokensIn: 7, tokensOut: 3, finish: 'stop' }, { error: { code: 'context_overflow', message: 'Too long.' } }, { output: 'Two' },
      { error: { code: 'model_not_found' } }, { output: 'Four' },
    ]);
    expect(durationMs).toBeGreaterThanOrEqual(0);
    // The scripted model has no batches: nothing was evaluated together, and that is said.
    expect(groups).toEqual([{ model: 'scripted/one', items: 4, atOnce: 4, engine: null }]);
    await house.stop();
    const usage = await database.storage.read.selectFrom('usage').select(['outcome', 'user_id']).execute();
    expect(usage.map(({ outcome }) => outcome).sort()).toEqual(['DELIVERED', 'DELIVERED', 'DELIVERED', 'FAILED']);
    house = await startPipelines(database);
  });

  it('asks a service without batches a few at a time, and the next as soon as one has ended', async () => {
    const batch = house.pipelines.batch(ann, items(9), options, never);
    const running = [];
    for (let at = 0; at < 4; at += 1) running.push(await house.models.call());
    expect(house.models.calls).toHaveLength(4);
    answer(running[2]!, 'x');
    running.push(await house.models.call());
    expect(house.models.calls).toHaveLength(5);
    for (const call of running.filter((_call, at) => at !== 2)) answer(call, 'x');
    for (let at = 5; at < 9; at += 1) answer(await house.models.call(), 'x');
    expect((await batch).items).toHaveLength(9);
  });

  it('fills the places of an engine that has batches, tells what it counted, and gives them back', async () => {
    let isClosed = false;
    const opened: ModelBatch = { places: 6, figures: () => ({ evaluations: 12, shared: 11, most: 6 }), close: async () => void (isClosed = true) };
    house.models.openBatch = async (target, requests) => {
      expect(requests.map(({ messages }) => messages.at(-1)!.content)).toEqual(items(8).map(({ input }) => input));
      return { target: { ...target, batch: opened }, batch: opened };
    };
    const batch = house.pipelines.batch(ann, items(8), options, never);
    for (let at = 0; at < 6; at += 1) await house.models.call();
    expect(house.models.calls).toHaveLength(6);
    for (const call of house.models.calls) answer(call, 'x');
    for (let at = 6; at < 8; at += 1) answer(await house.models.call(), 'x');
    expect((await batch).groups).toEqual([{ model: 'scripted/one', items: 8, atOnce: 6, engine: { evaluations: 12, shared: 11, most: 6 } }]);
    expect(isClosed).toBe(true);
  });

  it('ends with its client, and all its calls with it', async () => {
    const gone = new AbortController();
    const batch = house.pipelines.batch(ann, items(9), options, gone.signal);
    const refused = expect(batch).rejects.toMatchObject({ code: 'cancelled' });
    for (let at = 0; at < 4; at += 1) await house.models.call();
    gone.abort();
    await refused;
    expect(house.models.calls).toHaveLength(4);
    expect(house.models.calls.every(({ signal }) => signal.aborted)).toBe(true);
  });

  it('is cut off when it takes too long: what had ended is there', async () => {
    await house.stop();
    house = await startPipelines(database, { settings: { batchMs: 60 } });
    const batch = house.pipelines.batch(ann, items(2), options, never);
    answer(await house.models.call(), 'Zero');
    expect((await batch).items).toMatchObject([{ output: 'Zero' }, { error: { code: 'provider_timeout' } }]);
  });

  it('has no answer where there is no model for any of it', async () => {
    house.models.resolve = async () => ({ id: 'builtin/parley', provider: 'builtin', model: 'parley', contextLength: null, isBuiltin: true });
    await expect(house.pipelines.batch(ann, items(2), options, never)).rejects.toMatchObject({ code: 'no_model' });
  });

  it('tells of each item that its model has no room for a batch', async () => {
    const { ParleyError } = await import('../../base/errors.ts');
    house.models.openBatch = async () => { throw new ParleyError('rate_limited'); };
    expect((await house.pipelines.batch(ann, items(2), options, never)).items).toMatchObject([{ error: { code: 'rate_limited' } }, { error: { code: 'rate_limited' } }]);
  });
});
