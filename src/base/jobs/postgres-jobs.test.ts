import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { createMetrics, silentLog } from '../observability/index.ts';
import { openStorage } from '../storage/index.ts';
import { openTestStorage, postgresTestUrl, type TestStorage } from '../storage/testing.ts';
import { createJobs, type Jobs } from './index.ts';
import { jobsSuite } from './jobs-suite.ts';

describe.skipIf(postgresTestUrl() === null)('jobs on PostgreSQL', () => {
  jobsSuite('postgres');

  describe('with several instances', () => {
    let opened: TestStorage;
    beforeAll(async () => {
      opened = await openTestStorage('postgres');
    });
    afterAll(async () => await opened.close());

    test('each job runs once', async () => {
      const ran: string[] = [];
      const instances: { jobs: Jobs; stop: () => Promise<void> }[] = [];
      for (const instanceId of ['one', 'two', 'three']) {
        const storage = openStorage(opened.options);
        await storage.start();
        const jobs = createJobs({ storage, clock: systemClock, log: silentLog(), metrics: createMetrics(), instanceId, timings: { pollMs: 10 } });
        jobs.register('work', async (job) => {
          ran.push(String(job.payload));
        }, 3);
        instances.push({ jobs, stop: async () => { await jobs.stop!(); await storage.stop(); } });
      }
      const ids: string[] = [];
      for (let index = 0; index < 60; index += 1) ids.push((await instances[0]!.jobs.enqueue({ kind: 'work', payload: index }))!);
      await Promise.all(instances.map(async ({ jobs }) => await jobs.start!()));
      for (const id of ids) expect(await instances[0]!.jobs.wait(id)).toMatchObject({ state: 'done', attempts: 1 });
      expect(ran.map(Number).sort((a, b) => a - b)).toEqual(ids.map((_, index) => index));
      for (const { stop } of instances) await stop();
    });
  });
});
