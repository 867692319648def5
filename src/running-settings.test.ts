import { expect, test } from 'vitest';
import { systemClock } from './base/clock.ts';
import { createLocalBus } from './base/events/index.ts';
import { createJobs } from './base/jobs/index.ts';
import { createLogs, createMetrics, silentLog, Tracer } from './base/observability/index.ts';
import { openTestStorage } from './base/storage/testing.ts';
import { readConfig } from './config.ts';
import { createOperations } from './features/operations/index.ts';
import { createRunningSettings } from './running-settings.ts';

test('addresses are shown without what one signs in with', () => {
  const shown = createRunningSettings(readConfig({ OLLAMA_URLS: 'http://ann:secret-one@127.0.0.1:1,https://:secret-two@example.org/a@b', COMPATIBLE_SERVERS: 'one=http://key-three@127.0.0.1:2/v1' })).list();
  const value = (wanted: string) => shown.find(({ name }) => name === wanted)?.value;
  expect([value('OLLAMA_URLS'), value('COMPATIBLE_SERVERS')]).toEqual(['http://[hidden]@127.0.0.1:1,https://[hidden]@example.org/a@b', 'one=http://[hidden]@127.0.0.1:2/v1']);
});

test('what is kept does not stop a start, whatever another version has kept', async () => {
  const { storage, close } = await openTestStorage('sqlite');
  const config = readConfig({});
  const logs = createLogs(silentLog());
  const base = { storage, clock: systemClock, log: silentLog(), metrics: createMetrics(), instanceId: 'one' };
  const operations = createOperations({
    ...base, bus: createLocalBus(() => undefined), logs, tracer: new Tracer({ clock: systemClock, logs }), jobs: createJobs(base), dataDir: null, modules: async () => [], dialects: {}, restarter: null,
    settings: createRunningSettings(config),
  });
  try {
    const kept = JSON.stringify({ LOG_LEVEL: ' error ', GONE: 'x', DRAIN_SECONDS: '1e99', PORT: '1', LIMIT_MESSAGES_PER_HOUR: null, AUTO_TITLES: 'model' });
    await storage.write(async (queries) => void (await queries.insertInto('settings').values({ key: 'operations.settings', value: kept }).execute()));
    await operations.start!();
    expect([logs.base, config.logLevel, config.autoTitles, config.drainMs]).toEqual(['error', 'error', 'model', 10_000]);
  } finally {
    await operations.stop!();
    await close();
  }
});
