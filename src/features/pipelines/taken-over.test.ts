import { afterEach, beforeEach, expect, it } from 'vitest';
import { openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import { addViewer } from '../../core/conversations/testing.ts';
import { answer, newRun, stage, startPipelines } from './testing.ts';

let database: TestStorage;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  database = await openTestStorage('sqlite');
});
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await database.close();
});

it('a server that was taken for dead and wakes up again leaves the run to whoever works on it by now', async () => {
  const ann = await addViewer(database.storage, 'ann');
  const first = await startPipelines(database);
  const run = await first.pipelines.run(ann, newRun('sequential', [stage('one'), stage('two')]));
  const asleep = await first.models.call();
  // On SQLite whoever starts takes over what was going on: there is no other server.
  const second = await startPipelines(database);
  stops.push(second.stop);
  const call = await second.models.call();
  answer(asleep, 'too late');
  await first.stop();
  expect((await second.pipelines.get(ann, run.id)).state).toBe('running');
  answer(call, 'in time');
  answer(await second.models.call(), 'the end');
  await expect.poll(async () => (await second.pipelines.get(ann, run.id)).state).toBe('done');
  expect((await second.pipelines.get(ann, run.id)).stages.map(({ output, attempt }) => [output, attempt])).toEqual([['in time', 2], ['the end', 1]]);
});
