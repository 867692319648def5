import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { engines, openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { addViewer } from '../../core/conversations/testing.ts';
import { answer, newRun, questionOf, stage, startPipelines } from './testing.ts';
import type { Run, RunEvent } from './types.ts';

type House = Awaited<ReturnType<typeof startPipelines>>;

describe.each(engines)('Pipelines on %s', (engine) => {
  let database: TestStorage;
  let house: House;
  let ann: Viewer;
  let bob: Viewer;
  const never = new AbortController().signal;

  beforeEach(async () => {
    database = await openTestStorage(engine);
    house = await startPipelines(database);
    [ann, bob] = [await addViewer(database.storage, 'ann'), await addViewer(database.storage, 'bob')];
  });
  afterEach(async () => {
    await house.stop();
    await database.close();
  });

  async function ended({ id }: Run, by = house): Promise<Run> {
    for await (const event of by.pipelines.follow(ann, id, never)) if (event.type === 'ended') return event.run;
    throw new Error('the run was forgotten');
  }
  const states = (run: Run): string[] => run.stages.map(({ name, state }) => `${name} ${state}`);
  const next = (by = house) => by.models.call();

  it('sequential: the output of each stage is the input of the next', async () => {
    const { pipelines } = house;
    const run = await pipelines.run(ann, newRun('sequential', [stage('one'), stage('two', { prompt: 'Translate: {{input}}' }), stage('three', { prompt: '{{original}} / {{stage.one}} / {{input}}', system: 'Be curt.' })]));
    // Its first stage may have begun by the time it is told.
    expect(['waiting', 'running']).toContain(run.state);
    expect(states(run).slice(1)).toEqual(['two waiting', 'three waiting']);
    const first = await next();
    expect(questionOf(first)).toBe('Seven');
    answer(first, 'A ', '{{original}}');
    const second = await next();
    expect(questionOf(second)).toBe('Translate: A {{original}}');
    answer(second, 'B');
    const third = await next();
    expect(questionOf(third)).toBe('Seven / A {{original}} / B');
    expect(third.request.messages[0]).toMatchObject({ role: 'system', content: 'Be curt.' });
    expect(third.request.maxTokens).toBe(100);
    answer(third, 'C');
    const done = await ended(run);
    expect(done).toMatchObject({ state: 'done', output: 'C', error: null });
    expect(done.stages.map(({ output, calls, tokensIn, tokensOut, model, attempt }) => [output, calls, tokensIn, tokensOut, model, attempt])).toEqual(['A {{original}}', 'B', 'C'].map((output) => [output, 1, 7, 3, 'scripted/one', 1]));
    expect(done.durationMs).toBe(done.endedAt! - done.startedAt!);
    await house.stop();
    expect(await database.storage.read.selectFrom('usage').select('user_id').execute()).toEqual(Array(3).fill({ user_id: ann.userId }));
    house = await startPipelines(database);
  });

  it('parallel: all are asked at the same time, with the same input, and joined', async () => {
    const run = await house.pipelines.run(ann, newRun('parallel', [stage('one'), stage('two'), stage('three')], { join: stage('join', { prompt: 'Which of {{input}}? First was {{stage.one}}' }) }));
    // None is answered before all were asked.
    const calls = [await next(), await next(), await next()];
    expect(calls.map(questionOf)).toEqual(['Seven', 'Seven', 'Seven']);
    for (const [at, call] of calls.entries()) answer(call, `Answer ${at}`);
    const joining = await next();
    const outputs = (await house.pipelines.get(ann, run.id)).stages.map(({ output }) => output);
    expect(questionOf(joining)).toBe(`Which of ${outputs.slice(0, 3).join('\n\n')}? First was ${outputs[0]}`);
    answer(joining, 'That');
    expect((await ended(run)).output).toBe('That');
    const plain = await house.pipelines.run(ann, newRun('parallel', [stage('one'), stage('two')]));
    const [left, right] = [await next(), await next()];
    answer(right, 'same');
    answer(left, 'same');
    expect((await ended(plain)).output).toBe('same\n\nsame');
  });

  it('streaming: a stage works on what the one before has said while that goes on', async () => {
    const run = await house.pipelines.run(ann, newRun('streaming', [stage('one'), stage('two', { prompt: 'Translate: {{input}}' })]));
    const first = await next();
    first.text('The first sentence of this text is long enough. ');
    first.text('The second one');
    const second = await next();
    expect(questionOf(second)).toBe('Translate: The first sentence of this text is long enough.');
    expect(states(await house.pipelines.get(ann, run.id))).toEqual(['one running', 'two running']);
    answer(second, 'Eins.');
    first.text(' is long enough as well, I think.\n\nThe third.');
    const third = await next();
    expect(questionOf(third)).toBe('Translate: The second one is long enough as well, I think.');
    answer(third, 'Zwei.');
    first.finish();
    const fourth = await next();
    expect(questionOf(fourth)).toBe('Translate: The third.');
    answer(fourth, 'Drei.');
    const done = await ended(run);
    expect(done.output).toBe('Eins. Zwei.\n\nDrei.');
    expect(done.stages.map(({ calls, tokensIn }) => [calls, tokensIn])).toEqual([[1, 7], [3, 21]]);
  });

  it('a stage that fails ends the run, says why, and what came before is kept', async () => {
    const run = await house.pipelines.run(ann, newRun('sequential', [stage('one'), stage('two'), stage('three')]));
    answer(await next(), 'A');
    (await next()).say({ type: 'error', error: { code: 'provider_error', message: 'It broke.', serviceFault: true } });
    const failed = await ended(run);
    expect(failed).toMatchObject({ state: 'failed', output: null, error: { code: 'provider_error', message: 'It broke.' } });
    expect(states(failed)).toEqual(['one done', 'two failed', 'three skipped']);
    const missing = await house.pipelines.run(ann, newRun('parallel', [stage('one', { model: 'missing' }), stage('two')]));
    answer(await next(), 'B');
    const other = await ended(missing);
    expect(other).toMatchObject({ state: 'failed', error: { code: 'model_not_found' } });
    expect(states(other)).toEqual(['one failed', 'two done']);
    const streamed = await house.pipelines.run(ann, newRun('streaming', [stage('one'), stage('two', { model: 'missing' })]));
    (await next()).text('A sentence that is long enough to be handed on. And');
    expect(states(await ended(streamed))).toEqual(['one cancelled', 'two failed']);
  });

  it('everybody who follows hears everything, whenever they come', async () => {
    const run = await house.pipelines.run(ann, newRun('sequential', [stage('one'), stage('two')]));
    const heard: RunEvent[] = [];
    let began = (): void => undefined;
    const hearsText = new Promise<void>((resolve) => (began = resolve));
    const following = (async () => {
      for await (const event of house.pipelines.follow(ann, run.id, never)) {
        heard.push(event);
        if (event.type === 'piece') began();
      }
    })();
    const first = await next();
    first.text('Hel');
    await hearsText;
    expect((await house.pipelines.get(ann, run.id)).stages[0]!.state).toBe('running');
    const late: RunEvent[] = [];
    const followingLate = (async () => {
      for await (const event of house.pipelines.follow(ann, run.id, never)) late.push(event);
    })();
    answer(first, 'lo');
    answer(await next(), 'Bye');
    await Promise.all([following, followingLate]);
    const kinds = (events: RunEvent[]): string[] => events.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1]);
    expect(kinds(heard)).toEqual(['run', 'stage_started', 'piece', 'stage_ended', 'stage_started', 'piece', 'stage_ended', 'ended']);
    for (const events of [heard, late]) {
      const text = (place: number): string => events.flatMap((event) => (event.type === 'piece' && event.place === place ? event.text : [])).join('');
      expect([text(0), text(1)]).toEqual(['Hello', 'Bye']);
    }
  });

  it('the queue grows under load, is bounded for one and for all, and whoever waits for less goes first', async () => {
    await house.stop();
    house = await startPipelines(database, { settings: { runsAtOnce: 1, mostWaitingOfOne: 2, mostWaiting: 3 } });
    const { pipelines } = house;
    expect(await pipelines.figures(ann)).toMatchObject({ running: 0, waiting: 0, done: 0, averageMs: null, percentilesMs: null, atOnce: 1, mostWaiting: 3 });
    const begin = (as: Viewer, input: string) => pipelines.run(as, newRun('sequential', [stage('one')], { input }));
    await begin(ann, 'first');
    const first = await next();
    await begin(ann, 'second');
    const last = await begin(ann, 'third');
    await expect(begin(ann, 'fourth')).rejects.toMatchObject({ code: 'queue_full' });
    await begin(bob, 'of bob');
    await expect(begin(bob, 'another')).rejects.toMatchObject({ code: 'queue_full' });
    expect(await pipelines.figures(bob)).toMatchObject({ running: 1, waiting: 3, done: 0 });
    const order: string[] = [];
    answer(first, 'x');
    for (let at = 0; at < 3; at += 1) {
      const call = await next();
      order.push(questionOf(call));
      answer(call, 'x');
    }
    expect(order).toEqual(['second', 'of bob', 'third']);
    await ended(last);
    const figures = await pipelines.figures(ann);
    expect(figures).toMatchObject({ running: 0, waiting: 0, done: 4, failed: 0 });
    const rows = await database.storage.read.selectFrom('pipeline_runs').select('duration_ms').execute();
    expect(figures.averageMs).toBeCloseTo(rows.reduce((sum, row) => sum + Number(row.duration_ms), 0) / 4, 3);
    expect(rows.map((row) => Number(row.duration_ms))).toContain(figures.percentilesMs!.p95);
  });

  it('a run goes on behind a restart, with the stage that had not ended', async () => {
    const run = await house.pipelines.run(ann, newRun('sequential', [stage('one'), stage('two'), stage('three')]));
    answer(await next(), 'A');
    (await next()).text('half of B');
    await house.stop();
    expect(states(await house.pipelines.get(ann, run.id))).toEqual(['one done', 'two running', 'three waiting']);
    expect((await house.pipelines.get(ann, run.id)).state).toBe('waiting');
    house = await startPipelines(database);
    const again = await next();
    expect(questionOf(again)).toBe('A');
    answer(again, 'B');
    answer(await next(), 'C');
    const done = await ended(run);
    expect(done).toMatchObject({ state: 'done', output: 'C' });
    expect(done.stages.map(({ attempt, output }) => [attempt, output])).toEqual([[1, 'A'], [2, 'B'], [1, 'C']]);
  });

  it('cancelling ends the run and its calls at once; removing one that has ended forgets what was said, not that it was', async () => {
    const { pipelines } = house;
    const run = await pipelines.run(ann, newRun('sequential', [stage('one'), stage('two')]));
    const call = await next();
    expect(await pipelines.remove(ann, run.id)).toMatchObject({ state: 'cancelled' });
    if (!call.signal.aborted) await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
    expect(states(await ended(run))).toEqual(['one cancelled', 'two cancelled']);
    await pipelines.remove(ann, run.id);
    await expect(pipelines.get(ann, run.id)).rejects.toMatchObject({ code: 'not_found' });
    expect(await pipelines.list(ann, { limit: 10, offset: 0 })).toEqual([]);
    expect(await pipelines.figures(ann)).toMatchObject({ cancelled: 1, running: 0, waiting: 0 });
    expect(await database.storage.read.selectFrom('pipeline_stages').selectAll().execute()).toEqual([]);
    expect((await database.storage.read.selectFrom('pipeline_runs').select('input').executeTakeFirstOrThrow()).input).toBe('');
  });

  it('runs of others are not there', async () => {
    const { pipelines } = house;
    const run = await pipelines.run(ann, newRun('sequential', [stage('one')]));
    for (const ask of [() => pipelines.get(bob, run.id), () => pipelines.remove(bob, run.id), () => pipelines.follow(bob, run.id, never).next()]) await expect(ask()).rejects.toMatchObject({ code: 'not_found' });
    expect(await pipelines.list(bob, { limit: 10, offset: 0 })).toEqual([]);
    expect((await pipelines.get(ann, run.id)).state).not.toBe('cancelled');
  });

  it('a run ends that takes too long, or whose key or account is gone', async () => {
    await house.stop();
    house = await startPipelines(database, { settings: { runMs: 30 } });
    const { pipelines } = house;
    const slow = await pipelines.run(ann, newRun('sequential', [stage('one')]));
    expect(await ended(slow)).toMatchObject({ state: 'failed', error: { code: 'provider_timeout' } });
    const byKey = await pipelines.run({ ...ann, via: 'api-key', credentialId: 'gone' }, newRun('sequential', [stage('one')]));
    expect(await ended(byKey)).toMatchObject({ state: 'failed', error: { code: 'forbidden', message: 'The API key that this run was begun with is revoked.' } });
    await database.storage.write((queries) => queries.updateTable('users').set({ disabled_at: 1 }).where('id', '=', ann.userId).execute());
    expect(await ended(await pipelines.run(ann, newRun('sequential', [stage('one')])))).toMatchObject({ state: 'failed', error: { code: 'forbidden' } });
  });

  it('a run is ended whose server died in each of its tries', async () => {
    await house.stop();
    house = await startPipelines(database, { settings: { runsAtOnce: 0 } });
    const run = await house.pipelines.run(ann, newRun('sequential', [stage('one')]));
    await database.storage.write((queries) => queries.updateTable('jobs').set({ state: 'failed', ended_at: 1 }).execute());
    await house.pipelines.start!();
    expect(await ended(run)).toMatchObject({ state: 'failed', error: { code: 'internal', message: 'The server ended during each try.' } });
  });

  it.each([
    ['two stages of one name', newRun('sequential', [stage('one'), stage('one')])],
    ['a later stage in a prompt', newRun('sequential', [stage('one', { prompt: '{{stage.two}}' }), stage('two')])],
    ['a stage beside it in a prompt', newRun('parallel', [stage('one'), stage('two', { prompt: '{{stage.one}}' })])],
    ['joining what is not parallel', newRun('sequential', [stage('one')], { join: stage('join') })],
  ])('refuses %s', async (_what, run) => {
    await expect(house.pipelines.run(ann, run)).rejects.toMatchObject({ code: 'invalid_request' });
  });
});
