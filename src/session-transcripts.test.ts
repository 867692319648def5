import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from './base/clock.ts';
import { createJobs } from './base/jobs/index.ts';
import { createMetrics, silentLog } from './base/observability/index.ts';
import { openSecrets } from './base/secrets.ts';
import { engines, openTestStorage, type TestStorage } from './base/storage/testing.ts';
import type { Storage } from './base/storage/index.ts';
import { openStorage } from './base/storage/index.ts';
import type { Viewer } from './core/accounts/index.ts';
import { addViewer, startConversations } from './core/conversations/testing.ts';
import { listen } from './features/agents/testing.ts';
import { partFolder, partInstalled } from './features/ledger/anchors/hedera/testing/libraries.ts';
import { startNetwork, type TestNetwork } from './features/ledger/anchors/hedera/testing/network.ts';
import { verifyTranscript, type HederaSettings } from './features/ledger/index.ts';
import { createSessions, transcriptOf } from './session-transcripts.ts';

const one = '0.0.6154098';
const two = '0.0.6153500';
const limits = { turns: 100, depth: 6, milliseconds: 3_600_000, costMicros: 1_000_000 };

/** Agents and ledger over a database. Jobs are tried again within milliseconds. */
async function openHouse(storage: Storage, dataDir: string, hedera: HederaSettings | null, transcriptMs = 5000) {
  const base = await startConversations(storage);
  const metrics = createMetrics();
  const jobs = createJobs({ storage, clock: systemClock, log: silentLog(), metrics, instanceId: 'sessions', timings: { firstRetryMs: 20, maxRetryMs: 50, pollMs: 10 } });
  const accounts = {
    async user(id: string) {
      const row = await storage.read.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
      return row ? { id, username: row.username, email: null, name: null, role: row.role, claimed: true, createdAt: row.created_at, disabledAt: row.disabled_at } : null;
    },
  };
  const parts = createSessions({
    storage, conversations: base.conversations, accounts, jobs, metrics, secrets: openSecrets(dataDir), clock: systemClock, log: silentLog(),
    settings: { hedera, agents: { limits, runsAtOnce: 4, transcriptMs } },
  });
  await parts.ledger.start?.();
  await parts.handingOver.start?.();
  await jobs.start?.();
  return {
    ...base, ...parts, jobs, metrics,
    async stop() {
      await base.stop();
      await jobs.stop?.();
      await parts.handingOver.stop?.();
      await parts.ledger.stop?.();
    },
  };
}

type House = Awaited<ReturnType<typeof openHouse>>;

async function talk(house: House, viewer: Viewer, words: number): Promise<string> {
  const { id } = await house.agents.create(viewer, { agents: [{ accountId: one }, { accountId: two, role: 'travel' }] });
  const client = house.agents.connect(viewer, () => undefined);
  await client.join(id, one);
  await client.sayOnBehalf(id, one, 'Japan. '.repeat(words), false);
  client.close();
  return id;
}

/** Bytes in use when everything that can be forgotten was. */
function heap(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

/** Looks until it is so; the time limit of the test ends it otherwise. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe.skipIf(!partInstalled)('The transcript of a session on Hedera', () => {
  let database: TestStorage;
  let network: TestNetwork;
  let house: House;
  let ann: Viewer;
  const settings = (changes: Partial<HederaSettings> = {}): HederaSettings => ({
    accountId: network.accountId, privateKey: network.privateKey, topicId: network.topicId, network: network.network, mirrorUrl: network.mirror.url,
    content: 'transcript', mostChunks: 200, timeoutMs: 5000, partFolders: [partFolder], ...changes,
  });

  beforeEach(async () => {
    database = await openTestStorage('sqlite');
    network = await startNetwork();
    ann = await addViewer(database.storage, 'ann');
  });
  afterEach(async () => {
    await house.stop();
    await database.close();
    await network.close();
  });

  it('is submitted when the session ends, with the ids of its transactions, and the mirror node gives it back', async () => {
    house = await openHouse(database.storage, database.dataDir, settings());
    const id = await talk(house, ann, 400);
    const { status, transcript } = await house.agents.end(ann, id);
    expect([status, transcript.submitted]).toEqual(['ended', true]);
    expect(transcript.transactions.length).toBeGreaterThan(3);
    expect(new Set(transcript.transactions.map(({ transactionId }) => transactionId))).toEqual(new Set(network.messages.map(({ transactionId }) => transactionId)));
    // A network of one's own has no page that strangers could open.
    expect(new Set(transcript.transactions.map(({ hashscanUrl }) => hashscanUrl))).toEqual(new Set([null]));
    const sealed = (await house.handingOver.stateOf(id)).sealed!;
    expect(await house.ledger.checkAnchors(sealed)).toMatchObject([{ anchor: 'log', outcome: 'same' }, { anchor: 'hedera', outcome: 'same' }]);
    expect(await verifyTranscript(JSON.stringify(sealed), await house.ledger.keys())).toMatchObject({ verdict: 'valid' });
    const submissions = network.submissions.length;
    expect((await house.agents.end(ann, id)).transcript).toEqual(transcript);
    expect(network.submissions.length).toBe(submissions);
    expect(await house.metrics.registry.getSingleMetricAsString('parley_ledger_anchors')).toContain('parley_ledger_anchors{anchor="hedera",state="done"} 1');
  });

  it('is tried again by itself when the network was down at the end, until it is done', async () => {
    network.fault = () => 'unreachable';
    house = await openHouse(database.storage, database.dataDir, settings({ timeoutMs: 400 }));
    const id = await talk(house, ann, 10);
    expect(await house.agents.end(ann, id)).toMatchObject({ status: 'ended', transcript: { submitted: false, transactions: [] } });
    expect(network.messages).toEqual([]);
    network.fault = () => null;
    await until(async () => (await house.agents.get(ann, id)).transcript.submitted);
    const { sealed, anchors } = await house.handingOver.stateOf(id);
    expect(anchors.map(({ anchor, state }) => [anchor, state])).toEqual([['log', 'done'], ['hedera', 'done']]);
    expect((await house.ledger.checkAnchors(sealed!))[1]).toMatchObject({ outcome: 'same' });
  });

  it('is not submitted while only a part of it is: the part is listed, the rest follows by itself, and nothing is sent twice', async () => {
    let isBroken = true;
    network.fault = (number) => (isBroken && number > 2 ? { receipt: 'TRANSACTION_EXPIRED' } : null);
    house = await openHouse(database.storage, database.dataDir, settings(), 0);
    const id = await talk(house, ann, 400);
    await house.agents.end(ann, id);
    await until(async () => (await house.handingOver.stateOf(id)).anchors[1]?.state === 'partial');
    const { transcript } = await house.agents.get(ann, id);
    expect([transcript.submitted, transcript.transactions.length > 0]).toEqual([false, true]);
    isBroken = false;
    await until(async () => (await house.agents.get(ann, id)).transcript.submitted);
    const { parts, transactions } = (await house.handingOver.stateOf(id)).anchors[1]!;
    expect([network.messages.length, transactions.length]).toEqual([parts, parts]);
    expect(transactions).toEqual(expect.arrayContaining(transcript.transactions.map(({ transactionId }) => expect.objectContaining({ transaction_id: transactionId }) as unknown)));
  });

  it('that used up its tries waits for a person: ended once more it is tried again', async () => {
    network.fault = () => 'unreachable';
    house = await openHouse(database.storage, database.dataDir, settings({ timeoutMs: 300 }), 0);
    const id = await talk(house, ann, 10);
    await house.agents.end(ann, id);
    const job = (column: 'state' | 'max_attempts') => database.storage.read.selectFrom('jobs').select(column).where('dedup_key', '=', `transcript:${id}`).executeTakeFirstOrThrow();
    expect(await job('max_attempts')).toEqual({ max_attempts: 50 });
    await database.storage.write((queries) => queries.updateTable('jobs').set({ max_attempts: 1 }).where('dedup_key', '=', `transcript:${id}`).execute());
    await until(async () => (await job('state')).state === 'failed');
    expect(await house.handingOver.stateOf(id)).toMatchObject({ nextTryAt: null, anchors: [{}, { state: 'failed', problem: expect.any(String) }] });
    network.fault = () => null;
    await house.agents.end(ann, id);
    await until(async () => (await house.agents.get(ann, id)).transcript.submitted);
  });
});

describe.each(engines)('The transcript of a session on %s', (engine) => {
  let database: TestStorage;
  let house: House;
  let ann: Viewer;
  beforeEach(async () => {
    database = await openTestStorage(engine);
    ann = await addViewer(database.storage, 'ann');
    house = await openHouse(database.storage, database.dataDir, null);
  });
  afterEach(async () => {
    await house.stop();
    await database.close();
  });

  it('is sealed once, whoever ends it how often, and says nothing that may change later', async () => {
    const id = await talk(house, ann, 3);
    await Promise.all([house.agents.end(ann, id), house.agents.end(ann, id), house.handingOver.attempt(id)]);
    const { sealed, nextTryAt } = await house.handingOver.stateOf(id);
    expect([(await house.ledger.head())?.size, nextTryAt]).toEqual([1, null]);
    await database.storage.write((queries) => queries.updateTable('conversations').set({ title: 'Another title' }).where('id', '=', id).execute());
    // Another root would be refused.
    expect((await house.ledger.seal(transcriptOf((await house.agents.record(id))!))).seal).toEqual(sealed!.seal);
  });

  it('goes with the account; its place in the log stays, and says no word of it', async () => {
    const id = await talk(house, ann, 3);
    await house.agents.end(ann, id);
    await database.storage.write((queries) => queries.deleteFrom('users').where('id', '=', ann.userId).execute());
    expect(await database.storage.read.selectFrom('ledger_transcripts').selectAll().execute()).toEqual([]);
    expect((await house.ledger.head())?.size).toBe(1);
    expect(await house.ledger.checkLog()).toEqual([]);
  });
});

it('A thousand sessions opened, run, ended and sealed leave nothing behind', { timeout: 120_000 }, async () => {
  const database = await openTestStorage('sqlite');
  const house = await openHouse(database.storage, database.dataDir, null);
  const ann = await addViewer(database.storage, 'ann');
  house.models.answerWith(['Good.']);
  const count = 1000;
  const handles = (): number => process.getActiveResourcesInfo().filter((name) => name !== 'TCPSocketWrap' && name !== 'Immediate').length;
  const round = async (sessions: number): Promise<void> => {
    for (let from = 0; from < sessions; from += 50) await Promise.all(Array.from({ length: 50 }, async () => {
      const { id } = await house.agents.create(ann, { agents: [{ accountId: one }, { accountId: two }] });
      const { client, next } = listen(house.agents, ann);
      await client.join(id, one);
      await house.agents.run(ann, id, { turns: 2, message: 'Hello' });
      await next('response');
      await next('response');
      await house.agents.end(ann, id);
      await next('ended');
      client.close();
    }));
  };
  await round(50);
  const [before, memory] = [handles(), heap()];
  await round(count);
  await until(async () => handles() <= before && (await house.jobs.list({ states: ['waiting', 'running'] }, 10)).length === 0);
  expect([house.agents.joined, house.agents.pendingTranscripts, house.handingOver.pending]).toEqual([0, 0, 0]);
  // What the scripted model remembers of its calls is the test's own.
  expect((heap() - memory) / count).toBeLessThan(30_000);
  expect((await house.ledger.head())?.size).toBe(count + 50);
  expect(await database.storage.read.selectFrom('turns').selectAll().execute()).toEqual([]);
  await house.stop();
  await database.close();
});

it('A session whose server is killed between its end and its seal is sealed by the next one', async () => {
  const { storage, options, dataDir, close } = await openTestStorage('sqlite');
  await storage.stop();
  const file = fileURLToPath(new URL('./testing/ending-process.ts', import.meta.url));
  const server = spawn(process.execPath, [file, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
  server.kill('SIGKILL');
  await once(server, 'close');
  const { sessionId, userId } = JSON.parse(said) as { sessionId: string; userId: string };

  const again = openStorage(options);
  await again.start();
  expect(await again.read.selectFrom('agent_sessions').select('status').where('conversation_id', '=', sessionId).executeTakeFirst()).toEqual({ status: 'ended' });
  expect(await again.read.selectFrom('ledger_log').selectAll().execute()).toEqual([]);
  const house = await openHouse(again, dataDir, null);
  await until(async () => (await house.ledger.transcript({ userId, role: 'user' }, sessionId)) !== null);
  const sealed = await house.ledger.transcript({ userId, role: 'user' }, sessionId);
  expect(await verifyTranscript(sealed, await house.ledger.keys())).toMatchObject({ verdict: 'valid', messages: 1 });
  await house.stop();
  await again.stop();
  await close();
});
