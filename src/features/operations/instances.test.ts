import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { createLocalBus } from '../../base/events/index.ts';
import { newId } from '../../base/ids.ts';
import { createJobs } from '../../base/jobs/index.ts';
import { createLogs, createMetrics, silentLog, Tracer, type Logs } from '../../base/observability/index.ts';
import type { Storage } from '../../base/storage/index.ts';
import { engines, openTestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { createOperations } from './service.ts';
import type { Operations } from './types.ts';

const admin: Viewer = { userId: newId(), username: 'ann', role: 'admin', scopes: ['admin'], via: 'token', credentialId: null, expiresAt: null };
const stops: (() => Promise<void>)[] = [];
const logLevel = { name: 'LOG_LEVEL', type: 'choice', meaning: '', choices: [], value: 'silent', default: 'info', isSet: true, source: 'environment', isChangeable: true } as const;

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** An instance with logs of its own, on the database and the bus that all share. */
async function startInstance(storage: Storage, bus: ReturnType<typeof createLocalBus>): Promise<{ operations: Operations; logs: Logs }> {
  const logs = createLogs(silentLog());
  const base = { storage, clock: systemClock, log: silentLog(), metrics: createMetrics(), instanceId: newId() };
  const operations = createOperations({
    ...base, bus, logs, tracer: new Tracer({ clock: systemClock, logs }), jobs: createJobs(base), dataDir: null, modules: async () => [], dialects: { studio: '' }, restarter: null,
    settings: { list: () => [logLevel], check: () => undefined, use: () => undefined },
  });
  await operations.start!();
  stops.push(() => operations.stop!());
  return { operations, logs };
}

describe.each(engines)('Instances on %s', (engine) => {
  test('log, trace and serve alike, whichever was told, and one that starts later, too', async () => {
    const { storage, close } = await openTestStorage(engine);
    stops.push(close);
    const bus = createLocalBus((error) => { throw error; });
    const [one, two] = [await startInstance(storage, bus), await startInstance(storage, bus)];
    await one.operations.configureDebug(admin, { level: 'verbose', components: ['ai'], traceRequests: true });
    await one.operations.switchModule(admin, 'studio', false);
    const three = await startInstance(storage, bus);
    for (const { operations, logs } of [one, two, three]) {
      await expect.poll(() => [logs.level('ai'), logs.level('chat'), operations.debug(admin).traceRequests, operations.switches.isOn('studio')]).toEqual(['trace', 'silent', true, false]);
    }
    await two.operations.configureDebug(admin, { level: 'off' });
    await two.operations.switchModule(admin, 'studio', true);
    for (const { operations, logs } of [one, two, three]) await expect.poll(() => [logs.level('ai'), operations.switches.isOn('studio')]).toEqual(['silent', true]);
    expect((await three.operations.audit(admin, { limit: 10 })).map(({ action, outcome }) => `${action} ${outcome}`)).toEqual(['module.on ok', 'debug.configure ok', 'module.off ok', 'debug.configure ok']);
  });

  test('that forget when its time is over do so by the clock of the database', async () => {
    const { storage, close } = await openTestStorage(engine);
    stops.push(close);
    const past = { level: 'verbose', components: ['ai'], logPerformance: false, traceRequests: true, until: (await storage.now()) - 1 };
    await storage.write((queries) => queries.insertInto('settings').values({ key: 'operations.debug', value: JSON.stringify(past) }).execute());
    const { operations } = await startInstance(storage, createLocalBus(() => undefined));
    expect(operations.debug(admin)).toMatchObject({ level: 'off', traceRequests: false });
  });
});
