import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLog } from '../../../base/observability/index.ts';
import { startTestServer, type Json, type TestServer, type TestUser } from '../../testing.ts';

let server: TestServer;
let ann: TestUser;
let lines: Json[] = [];

beforeAll(async () => {
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(JSON.parse(chunk.toString()));
      done();
    },
  });
  server = await startTestServer({ log: createLog('info', destination) });
  ann = await server.user('owner');
});
afterAll(() => server.stop());

const ask = (method: string, path: string, body?: unknown) => server.request(method, `/api/v4/${path}`, { as: ann, body });
const backup = async (): Promise<string> => {
  const { job } = (await ask('POST', 'database/jobs', { work: 'backup' })).json;
  return ((await server.parts.jobs.wait(job.id)).result as { backup: string }).backup;
};

describe('Two administrators at the same time', () => {
  test('change different settings, and both changes stay', async () => {
    const wanted = { DRAIN_SECONDS: '7', AUTO_TITLES: 'model', LIMIT_MESSAGES_PER_HOUR: '321' };
    const answers = await Promise.all(Object.entries(wanted).map(([name, value]) => ask('PUT', `management/settings/${name}`, { value })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const { settings } = (await ask('GET', 'management/settings')).json;
    expect(settings.filter(({ name }: Json) => name in wanted).map(({ name, value }: Json) => [name, value]).sort()).toEqual(Object.entries(wanted).sort());
    for (const name of Object.keys(wanted)) await ask('PUT', `management/settings/${name}`, { value: null });
  });

  test('switch different dialects off, and both are', async () => {
    await Promise.all(['studio', 'arketic'].map((name) => ask('PUT', `management/modules/${name}`, { enabled: false })));
    const { modules } = (await ask('GET', 'management/modules')).json;
    expect(modules.filter(({ state, kind }: Json) => kind === 'dialect' && state === 'off').map(({ name }: Json) => name).sort()).toEqual(expect.arrayContaining(['arketic', 'studio']));
    for (const name of ['studio', 'arketic']) await ask('PUT', `management/modules/${name}`, { enabled: true });
  });

  test('begin the same work once', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => ask('POST', 'database/jobs', { work: 'integrity' })));
    expect(new Set(answers.map(({ json }) => json.job.id)).size).toBe(1);
    await server.parts.jobs.wait(answers[0]!.json.job.id);
    // What has been done can be done again.
    const again = (await ask('POST', 'database/jobs', { work: 'integrity' })).json.job;
    expect(again.id).not.toBe(answers[0]!.json.job.id);
    await server.parts.jobs.wait(again.id);
  });

  test('stage different backups: the one that is named is the one that waits', async () => {
    const names: string[] = [];
    for (const rows of [1, 40]) {
      await server.parts.storage.write(async (queries) => void (await queries.insertInto('settings').values(Array.from({ length: rows }, (_, at) => ({ key: `filling ${rows} ${at}`, value: 'x'.repeat(20_000) }))).execute()));
      names.push(await backup());
    }
    const sizes = new Map((await ask('GET', 'database/backups')).json.backups.map(({ name, bytes }: Json) => [name, bytes]));
    for (let round = 0; round < 2; round += 1) {
      const answers = await Promise.all(names.map((name) => ask('POST', 'database/restore', { backup: name })));
      expect(answers.map(({ status, text }) => [status, text.slice(0, 90)])).toEqual(answers.map(({ text }) => [202, text.slice(0, 90)]));
      const { restore } = (await ask('GET', 'database/restore')).json;
      expect(Math.abs(restore.bytes - (sizes.get(restore.backup) as number))).toBeLessThan(100_000);
    }
    await ask('DELETE', 'database/restore');
    await server.parts.storage.write(async (queries) => void (await queries.deleteFrom('settings').where('key', 'like', 'filling%').execute()));
  });
});

describe('A setting that is changed at run time', () => {
  test('never leaves a server that cannot be started or stopped', async () => {
    expect((await ask('PUT', 'management/settings/LOG_LEVEL', { value: ' warn ' })).json.setting).toMatchObject({ value: 'warn' });
    expect((await ask('GET', 'config/debug')).json.settings.levels).toMatchObject({ ai: 'warn' });
    expect((await ask('PUT', 'management/settings/LOG_LEVEL', { value: null })).status).toBe(200);
    // Timers take no more than 24 days: beyond that they end at once, and the server with them.
    expect((await ask('PUT', 'management/settings/DRAIN_SECONDS', { value: 3_000_000 })).status).toBe(400);
  });
});

test('what is switched off is refused without a line of the log: it is no fault', async () => {
  await ask('PUT', 'management/modules/openai', { enabled: false });
  lines = [];
  expect((await server.request('GET', '/v1/models', { as: ann })).status).toBe(503);
  expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
  await ask('PUT', 'management/modules/openai', { enabled: true });
});

test('performance is logged at whatever level, as it is asked for by name', async () => {
  lines = [];
  await ask('POST', 'config/debug', { debug_level: 'error', log_performance: true, components: ['accounts'], duration_seconds: 60 });
  await ask('GET', 'config/debug');
  await ask('POST', 'config/debug', { debug_level: 'off' });
  expect(lines.filter(({ msg, component }) => msg === 'performance' && component === 'accounts').length).toBeGreaterThan(0);
});

test('what a killed server has left of a copy in the making is gone after the next start', async () => {
  const left = ['backups/parley-20260101-000000-abcd.db.Qwerty12.partial', 'backups/parley-20260101-000000-abcd.db.Qwerty12.partial-journal', 'parley-restore-Qwerty12.db', 'parley-restore-Qwerty12.db.Asdfgh34.partial'];
  await backup();
  for (const name of left) await writeFile(join(server.dataDir, name), 'half');
  const { storage } = server.parts;
  await storage.stop();
  await storage.start!();
  const there = [...(await readdir(server.dataDir)), ...(await readdir(join(server.dataDir, 'backups'))).map((name) => `backups/${name}`)];
  expect(left.filter((name) => there.includes(name))).toEqual([]);
  expect(there.filter((name) => name.startsWith('backups/')).length).toBeGreaterThan(0);
});
