import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../clock.ts';
import { ParleyError } from '../errors.ts';
import { newId } from '../ids.ts';
import { createMetrics, silentLog } from '../observability/index.ts';
import type { Engine, Storage } from '../storage/index.ts';
import { openTestStorage, type TestStorage } from '../storage/testing.ts';
import { createJobs, type Job, type JobRun, type Jobs, type JobTimings } from './index.ts';

/** Short times, so that the tests need not wait; the order of the waiting times among each other is the real one. */
const quick: Partial<JobTimings> = { leaseMs: 1_000, heartbeatMs: 40, pollMs: 60, reportMs: 40, stopMs: 300, firstRetryMs: 15, maxRetryMs: 60 };

interface Call {
  job: Job;
  run: JobRun;
  /** Ends the handler with a result, or an error. */
  succeed: (result?: unknown) => void;
  fail: (error: Error) => void;
}

/** A handler that the test steers: it waits until told how to end. When aborted it throws, as a good handler does. */
function steered(): { handler: (job: Job, run: JobRun) => Promise<unknown>; calls: Call[]; call: (index: number) => Promise<Call> } {
  const calls: Call[] = [];
  return {
    calls,
    handler: async (job, run) => {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      run.signal.addEventListener('abort', () => reject(run.signal.reason as Error));
      calls.push({ job, run, succeed: resolve, fail: reject });
      return await promise;
    },
    call: async (index) => {
      await vi.waitFor(() => expect(calls.length).toBeGreaterThan(index), { interval: 5, timeout: 5_000 });
      return calls[index]!;
    },
  };
}

/** What the queue does on every engine. */
export function jobsSuite(engine: Engine): void {
  let opened: TestStorage;
  let storage: Storage;
  const started: Jobs[] = [];

  function make(timings: Partial<JobTimings> = {}, instanceId = newId()): Jobs {
    const jobs = createJobs({ storage, clock: systemClock, log: silentLog(), metrics: createMetrics(), instanceId, timings: { ...quick, ...timings } });
    started.push(jobs);
    return jobs;
  }
  async function stateOf(jobs: Jobs, id: string): Promise<Job['state']> {
    return (await jobs.get(id))!.state;
  }
  async function reaches(jobs: Jobs, id: string, state: Job['state']): Promise<void> {
    await vi.waitFor(async () => expect(await stateOf(jobs, id)).toBe(state), { interval: 5, timeout: 5_000 });
  }

  beforeEach(async () => {
    opened = await openTestStorage(engine);
    storage = opened.storage;
  });
  afterEach(async () => {
    for (const jobs of started.splice(0)) await jobs.stop!();
    await opened.close();
  });

  describe('a job', () => {
    test('runs and keeps its result', async () => {
      const jobs = make();
      jobs.register('greet', async (job) => ({ greeting: `Hello, ${(job.payload as { name: string }).name}` }));
      await jobs.start!();
      const id = (await jobs.enqueue({ kind: 'greet', payload: { name: 'Ann' }, userId: null }))!;
      const job = await jobs.wait(id);
      expect(job).toMatchObject({ id, kind: 'greet', state: 'done', attempts: 1, progress: 1, payload: { name: 'Ann' }, result: { greeting: 'Hello, Ann' }, error: null });
      expect(job.endedAt).toBeGreaterThanOrEqual(job.createdAt);
      expect(await jobs.get(id)).toEqual(job);
    });

    test('starts when the transaction that adds it is committed, without waiting for the next look', async () => {
      const jobs = make({ pollMs: 60_000 });
      const { handler, calls, call } = steered();
      jobs.register('work', handler);
      await jobs.start!();
      const rolledBack = storage.write(async (queries) => {
        await jobs.add(queries, { kind: 'work', payload: 'never' });
        throw new Error('changed my mind');
      });
      await expect(rolledBack).rejects.toThrow('changed my mind');
      await storage.write(async (queries) => void (await jobs.add(queries, { kind: 'work', payload: 'yes' })));
      const { job, succeed } = await call(0);
      succeed();
      expect(job.payload).toBe('yes');
      expect((await jobs.wait(job.id)).result).toBeNull();
      expect(calls).toHaveLength(1);
    });

    test('added before its handler, or by another process, is found', async () => {
      const other = make();
      const jobs = make();
      await jobs.start!();
      const early = (await jobs.enqueue({ kind: 'late', payload: 1 }))!;
      jobs.register('late', async (job) => job.payload);
      expect((await jobs.wait(early)).state).toBe('done');
      const foreign = (await other.enqueue({ kind: 'late', payload: 2 }))!;
      expect((await jobs.wait(foreign)).result).toBe(2);
    });

    test('waits for its time', async () => {
      const jobs = make();
      jobs.register('later', async () => Date.now());
      await jobs.start!();
      const runAt = (await storage.now()) + 150;
      const id = (await jobs.enqueue({ kind: 'later', payload: null, runAt }))!;
      const { result } = await jobs.wait(id);
      expect(result).toBeGreaterThanOrEqual(runAt);
    });

    test('of higher priority goes first, then the older one; each kind runs as many at once as it may', async () => {
      const jobs = make();
      const one = steered();
      const three = steered();
      jobs.register('one', one.handler);
      jobs.register('three', three.handler, 3);
      for (const [payload, priority] of [['low', -1], ['first', 0], ['second', 0], ['high', 5]] as const) await jobs.enqueue({ kind: 'one', payload, priority });
      for (let index = 0; index < 5; index += 1) await jobs.enqueue({ kind: 'three', payload: index });
      await jobs.start!();
      await three.call(2);
      const order: unknown[] = [];
      for (let index = 0; index < 4; index += 1) {
        const { job, succeed } = await one.call(index);
        expect([one.calls.length, three.calls.length]).toEqual([index + 1, 3]);
        order.push(job.payload);
        succeed();
        await jobs.wait(job.id);
      }
      expect(order).toEqual(['high', 'first', 'second', 'low']);
      three.calls[1]!.succeed();
      expect((await three.call(3)).job.payload).toBe(3);
    });

    test('is not made twice under one key, unless the first one failed or was cancelled', async () => {
      const jobs = make();
      const { handler, call } = steered();
      jobs.register('once', handler);
      await jobs.start!();
      const add = async (): Promise<string | null> => await jobs.enqueue({ kind: 'once', payload: 1, dedupKey: 'once:1', maxAttempts: 1 });
      const first = (await add())!;
      const { fail } = await call(0);
      expect(await add()).toBeNull();
      fail(new Error('no'));
      await jobs.wait(first);
      const second = (await add())!;
      expect(second).not.toBe(first);
      (await call(1)).succeed();
      await jobs.wait(second);
      expect(await add()).toBeNull();
      const together = await Promise.all(Array.from({ length: 5 }, async () => await jobs.enqueue({ kind: 'other', payload: 1, dedupKey: 'other' })));
      expect(together.filter(Boolean)).toHaveLength(1);
    });
  });

  describe('a job that fails', () => {
    test('is tried again after growing pauses, and fails for good after its last try', async () => {
      const jobs = make();
      const times: number[] = [];
      jobs.register('failing', async () => {
        times.push(performance.now());
        throw new Error(`try ${times.length} went wrong`);
      });
      await jobs.start!();
      const id = (await jobs.enqueue({ kind: 'failing', payload: 1, maxAttempts: 4 }))!;
      expect(await jobs.wait(id)).toMatchObject({ state: 'failed', attempts: 4, error: 'try 4 went wrong' });
      const pauses = times.slice(1).map((time, index) => time - times[index]!);
      expect(pauses[0]).toBeGreaterThanOrEqual(14);
      expect(pauses[1]).toBeGreaterThanOrEqual(29);
      expect(pauses[2]).toBeGreaterThanOrEqual(59);
    });

    test('and succeeds later shows no error any more', async () => {
      const jobs = make();
      jobs.register('flaky', async (job) => {
        if (job.attempts < 3) throw new Error('not yet');
        return 'at last';
      });
      await jobs.start!();
      const id = (await jobs.enqueue({ kind: 'flaky', payload: 1 }))!;
      expect(await jobs.wait(id)).toMatchObject({ state: 'done', attempts: 3, result: 'at last', error: null });
    });

    test('because of a wrong request is not tried again', async () => {
      const jobs = make();
      jobs.register('wrong', async () => {
        throw new ParleyError('invalid_request', { message: 'There is no such file.' });
      });
      await jobs.start!();
      const id = (await jobs.enqueue({ kind: 'wrong', payload: 1 }))!;
      expect(await jobs.wait(id)).toMatchObject({ state: 'failed', attempts: 1, error: 'There is no such file.' });
    });

    test('can be tried again by hand, and goes on from its note', async () => {
      const jobs = make();
      const seen: unknown[] = [];
      jobs.register('resumable', async (job, run) => {
        seen.push(job.note);
        await run.report(0.5, { at: 'half' });
        if (seen.length === 1) throw new Error('broke in the middle');
        return 'whole';
      });
      await jobs.start!();
      const id = (await jobs.enqueue({ kind: 'resumable', payload: 1, maxAttempts: 1 }))!;
      expect(await jobs.wait(id)).toMatchObject({ state: 'failed', progress: 0.5, note: { at: 'half' } });
      expect(await jobs.retry(id)).toMatchObject({ id, note: { at: 'half' } });
      expect(await jobs.wait(id)).toMatchObject({ state: 'done', attempts: 1, result: 'whole' });
      expect(seen).toEqual([null, { at: 'half' }]);
      expect(await jobs.retry(id)).toMatchObject({ state: 'done' });
      expect(await jobs.retry(newId())).toBeNull();
    });

    test('with a result that cannot be kept says so', async () => {
      const jobs = make();
      jobs.register('huge', async () => 'x'.repeat(1_000_001));
      await jobs.start!();
      const id = (await jobs.enqueue({ kind: 'huge', payload: 1 }))!;
      expect(await jobs.wait(id)).toMatchObject({ state: 'failed', error: expect.stringContaining('longer than') });
    });
  });

  describe('progress', () => {
    test('is seen while the job runs, written a few times only, and the newest is kept', async () => {
      const jobs = make({ reportMs: 100 });
      const { handler, call } = steered();
      jobs.register('long', handler);
      await jobs.start!();
      const id = (await jobs.enqueue({ kind: 'long', payload: 1 }))!;
      const { run, succeed } = await call(0);
      const write = vi.spyOn(storage, 'write');
      for (let step = 0; step <= 500; step += 1) await run.report(step / 1000, { step });
      await vi.waitFor(async () => expect(await jobs.get(id)).toMatchObject({ state: 'running', progress: 0.5, note: { step: 500 } }), { interval: 10 });
      // Signs of life are written meanwhile too: those name a lease, 501 reports would be far more.
      expect(write.mock.calls.length).toBeLessThan(30);
      write.mockRestore();
      await run.report(null);
      succeed('done');
      expect(await jobs.wait(id)).toMatchObject({ state: 'done', note: { step: 500 } });
      await expect(run.report(1.5)).rejects.toThrow(/between/);
    });
  });

  describe('cancelling', () => {
    test('ends a waiting job at once, a running one when its handler has stopped, an ended one never', async () => {
      const jobs = make();
      const { handler, calls, call } = steered();
      jobs.register('work', handler);
      await jobs.start!();
      const running = (await jobs.enqueue({ kind: 'work', payload: 1 }))!;
      const waiting = (await jobs.enqueue({ kind: 'work', payload: 2 }))!;
      const { run } = await call(0);
      expect(await jobs.cancel(waiting)).toMatchObject({ state: 'cancelled' });
      await jobs.cancel(running);
      expect(await jobs.wait(running)).toMatchObject({ state: 'cancelled' });
      expect(run.signal.aborted).toBe(true);
      expect(calls).toHaveLength(1);
      const done = (await jobs.enqueue({ kind: 'work', payload: 3 }))!;
      (await call(1)).succeed();
      await jobs.wait(done);
      expect(await jobs.cancel(done)).toMatchObject({ state: 'done' });
      expect(await jobs.cancel(newId())).toBeNull();
    });

    test('asked for in another process reaches the one that runs the job', async () => {
      const jobs = make();
      const { handler, call } = steered();
      jobs.register('work', handler);
      await jobs.start!();
      const id = (await jobs.enqueue({ kind: 'work', payload: 1 }))!;
      await call(0);
      const other = make();
      expect(await other.cancel(id)).toMatchObject({ state: 'running' });
      expect(await other.wait(id)).toMatchObject({ state: 'cancelled' });
    });

    test('counts also when the handler answers with another error, or as if all were well', async () => {
      const jobs = make();
      jobs.register('stubborn', async (job, run) => {
        await new Promise((resolve) => run.signal.addEventListener('abort', resolve));
        if (job.payload === 'error') throw new Error('something else');
        return 'half done';
      }, 2);
      await jobs.start!();
      for (const payload of ['error', 'result']) {
        const id = (await jobs.enqueue({ kind: 'stubborn', payload }))!;
        await reaches(jobs, id, 'running');
        await jobs.cancel(id);
        expect(await jobs.wait(id)).toMatchObject({ state: 'cancelled', result: null });
      }
    });
  });

  describe('a server that stops', () => {
    test('puts running jobs back with their notes; the next one takes them up, and the try does not count', async () => {
      const jobs = make();
      const first = steered();
      jobs.register('work', first.handler);
      await jobs.start!();
      const id = (await jobs.enqueue({ kind: 'work', payload: 1, maxAttempts: 1 }))!;
      await (await first.call(0)).run.report(0.3, 'so far');
      await jobs.stop!();
      expect(await jobs.get(id)).toMatchObject({ state: 'waiting', attempts: 0, note: 'so far' });

      const next = make();
      const second = steered();
      next.register('work', second.handler);
      await next.start!();
      const { job, succeed } = await second.call(0);
      expect(job).toMatchObject({ id, attempts: 1, note: 'so far' });
      succeed('finished');
      expect(await next.wait(id)).toMatchObject({ state: 'done', result: 'finished' });
    });

    test('does not wait for ever for a handler that does not listen, and takes nothing from it afterwards', async () => {
      const jobs = make();
      const { promise: never, resolve } = Promise.withResolvers<string>();
      jobs.register('deaf', async () => await never);
      await jobs.start!();
      const id = (await jobs.enqueue({ kind: 'deaf', payload: 1 }))!;
      await reaches(jobs, id, 'running');
      await jobs.stop!();
      expect(await jobs.get(id)).toMatchObject({ state: 'waiting', attempts: 0 });
      resolve('too late');
      await new Promise(setImmediate);
      expect(await stateOf(jobs, id)).toBe('waiting');
    });

    test('starts nothing more, and stopping one that never started is harmless', async () => {
      const jobs = make();
      const { handler, calls } = steered();
      jobs.register('work', handler);
      await jobs.start!();
      await jobs.stop!();
      const id = (await jobs.enqueue({ kind: 'work', payload: 1 }))!;
      await make().stop!();
      expect(await stateOf(jobs, id)).toBe('waiting');
      expect(calls).toHaveLength(0);
    });
  });

  describe('a server that dies', () => {
    /** What a dead server leaves: jobs that run under its name, with a lease that has run out. */
    async function leaveBehind(fields: { attempts?: number; cancelRequested?: 0 | 1 } = {}): Promise<string> {
      const dead = make();
      const id = (await dead.enqueue({ kind: 'work', payload: 1, maxAttempts: 3 }))!;
      await storage.write(async (queries) => {
        await queries.updateTable('jobs')
          .set({ state: 'running', owner: 'dead', lease_until: 1, attempts: fields.attempts ?? 1, cancel_requested: fields.cancelRequested ?? 0, note: '"so far"' })
          .where('id', '=', id)
          .execute();
      });
      return id;
    }

    test('loses its jobs to the next one, but for those that used up their tries or were to be cancelled', async () => {
      const ids = [await leaveBehind(), await leaveBehind({ attempts: 3 }), await leaveBehind({ cancelRequested: 1 })] as const;
      const jobs = make();
      const { handler, call } = steered();
      jobs.register('work', handler);
      await jobs.start!();
      const { job, succeed } = await call(0);
      expect(job).toMatchObject({ id: ids[0], attempts: 2, note: 'so far' });
      succeed();
      expect(await jobs.wait(ids[0])).toMatchObject({ state: 'done' });
      expect(await jobs.get(ids[1])).toMatchObject({ state: 'failed', error: expect.stringContaining('last try') });
      expect(await jobs.get(ids[2])).toMatchObject({ state: 'cancelled' });
    });

    test('and was only taken for dead stops its handler and writes nothing any more', async () => {
      const jobs = make();
      const { handler, call } = steered();
      jobs.register('work', handler);
      await jobs.start!();
      const id = (await jobs.enqueue({ kind: 'work', payload: 1 }))!;
      const { run } = await call(0);
      await storage.write(async (queries) => await queries.updateTable('jobs').set({ owner: 'another' }).where('id', '=', id).execute());
      await vi.waitFor(() => expect(run.signal.aborted).toBe(true), { timeout: 5_000 });
      expect(await stateOf(jobs, id)).toBe('running');
    });
  });

  describe('waiting for a job', () => {
    test('that does not exist is an error, and can be given up', async () => {
      const jobs = make();
      await expect(jobs.wait(newId())).rejects.toMatchObject({ code: 'not_found' });
      const id = (await jobs.enqueue({ kind: 'nobody', payload: 1 }))!;
      await expect(jobs.wait(id, AbortSignal.timeout(30))).rejects.toMatchObject({ name: 'TimeoutError' });
      await expect(jobs.wait(id, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    });
  });

  describe('the list', () => {
    test('is filtered, newest first, and bounded', async () => {
      const jobs = make();
      const ids: string[] = [];
      for (const kind of ['a', 'b', 'a', 'a']) ids.push((await jobs.enqueue({ kind, payload: kind }))!);
      await jobs.cancel(ids[2]!);
      const idsOf = async (filter: Parameters<Jobs['list']>[0], limit = 10): Promise<string[]> => (await jobs.list(filter, limit)).map((job) => job.id);
      expect(await idsOf({})).toEqual([ids[3], ids[2], ids[1], ids[0]]);
      expect(await idsOf({ kind: 'a', states: ['waiting'] })).toEqual([ids[3], ids[0]]);
      expect(await idsOf({ kind: 'a' }, 1)).toEqual([ids[3]]);
      expect(await idsOf({ states: [] })).toEqual([]);
      expect(await idsOf({ userId: newId() })).toEqual([]);
    });

    test('shows the jobs of a kind on all machines, and each machine does only its own', async () => {
      const jobs = make();
      const done: unknown[] = [];
      jobs.register('pull@here', async (job) => void done.push(job.payload));
      const ids = await Promise.all(['pull@here', 'pull@there', 'pulls@there', 'pull'].map((kind) => jobs.enqueue({ kind, payload: kind })));
      expect((await jobs.list({ kindOnAnyMachine: 'pull' }, 10)).map(({ id }) => id).sort()).toEqual([ids[0], ids[1], ids[3]].sort());
      await jobs.start!();
      await jobs.wait(ids[0]!);
      expect(done).toEqual(['pull@here']);
      expect(await stateOf(jobs, ids[1]!)).toBe('waiting');
    });
  });

  describe('old jobs', () => {
    test('are deleted after a time, unless their key says what has been done', async () => {
      const jobs = make({ keepMs: 1 });
      const plain = (await jobs.enqueue({ kind: 'a', payload: 1 }))!;
      const keyed = (await jobs.enqueue({ kind: 'a', payload: 1, dedupKey: 'k' }))!;
      const waiting = (await jobs.enqueue({ kind: 'a', payload: 1 }))!;
      await storage.write(async (queries) => await queries.updateTable('jobs').set({ state: 'done', ended_at: 1 }).where('id', 'in', [plain, keyed]).execute());
      await jobs.start!();
      await vi.waitFor(async () => expect(await jobs.get(plain)).toBeNull());
      expect([await stateOf(jobs, keyed), await stateOf(jobs, waiting)]).toEqual(['done', 'waiting']);
    });
  });
}
