import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { createMetrics, silentLog } from '../observability/index.ts';
import { openStorage } from '../storage/index.ts';
import { openTestStorage } from '../storage/testing.ts';
import { createJobs } from './index.ts';

test('a job whose server is killed is taken up by the next one at once, from its note', async () => {
  const { storage, options, close } = await openTestStorage('sqlite');
  const parts = { clock: systemClock, log: silentLog(), metrics: createMetrics(), instanceId: 'next' };
  const id = (await createJobs({ ...parts, storage }).enqueue({ kind: 'long', payload: 'the work' }))!;
  await storage.stop();

  const file = fileURLToPath(new URL('./fixtures/worker-process.ts', import.meta.url));
  const server = spawn(process.execPath, [file, options.dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = await once(createInterface({ input: server.stdout }), 'line') as [string];
  expect(said).toBe(id);
  server.kill('SIGKILL');
  await once(server, 'close');

  const again = openStorage(options);
  await again.start();
  const jobs = createJobs({ ...parts, storage: again });
  jobs.register('long', async (job) => ({ attempt: job.attempts, from: job.note }));
  const started = performance.now();
  await jobs.start!();
  expect(await jobs.wait(id)).toMatchObject({ state: 'done', result: { attempt: 2, from: { halfOf: 'the work' } } });
  expect(performance.now() - started).toBeLessThan(2_000); // No lease is waited for.
  await jobs.stop!();
  await again.stop();
  await close();
});
