import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLocalBus, type Bus } from '../../base/events/index.ts';
import { engines, openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { addViewer } from '../../core/conversations/testing.ts';
import { listen, one, startAgents, two } from './testing.ts';
import type { AgentSession, NewSession, Transcript, TranscriptKeeper } from './types.ts';

const submitted: Transcript = { submitted: true, transactions: [{ transactionId: '0.0.2@1.2', hashscanUrl: 'https://hashscan.io/testnet/transaction/0.0.2@1.2' }] };
const nothing: Transcript = { submitted: false, transactions: [] };

describe.each(engines)('Sessions of agents on %s', (engine) => {
  let database: TestStorage;
  let house: Awaited<ReturnType<typeof startAgents>>;
  let ann: Viewer;
  let bus: ReturnType<typeof countingBus>;
  /** What handing the transcript of a session over does. */
  let handOver: (sessionId: string) => Promise<Transcript>;
  /** A keeper that knows what it was told in this process, and what was to be kept at the end of a session. */
  const kept = new Map<string, Transcript>();
  const announced: string[] = [];
  const keeper: TranscriptKeeper = {
    async ended(queries, id) {
      await queries.insertInto('settings').values({ key: `to be kept ${id}`, value: '' }).execute();
      announced.push(id);
    },
    handOver: async (id) => void kept.set(id, await handOver(id)),
    stateOf: async (ids) => new Map(ids.flatMap((id) => (kept.has(id) ? [[id, kept.get(id)!]] : []))),
  };

  beforeEach(async () => {
    database = await openTestStorage(engine);
    handOver = async () => nothing;
    announced.length = 0;
    bus = countingBus();
    house = await startAgents(database, { bus, transcripts: keeper, settings: { transcriptMs: 1000 } });
    ann = await addViewer(database.storage, 'ann');
  });
  afterEach(async () => {
    await house.stop();
    await database.close();
  });

  const newSession = (more: Partial<NewSession> = {}): Promise<AgentSession> => house.agents.create(ann, { agents: [{ accountId: one }, { accountId: `${two}-oxqcx`, role: ' travel ' }], ...more });

  it('are made with two agents and limits, and listed the newest first', async () => {
    const made = await newSession({ limits: { turns: 7 } });
    expect(made).toMatchObject({
      ownerId: ann.userId, status: 'active', endedAt: null, messageCount: 0, turns: 0, run: null, transcript: nothing, title: `assistant (${one}) and travel (${two})`,
      agents: [{ accountId: one, role: 'assistant', model: null, prompt: null }, { accountId: two, role: 'travel', model: null, prompt: null }],
      limits: { turns: 7, depth: 6, milliseconds: 86_400_000, costMicros: 1_000_000 },
    });
    const other = await newSession();
    expect((await house.agents.list(ann, { limit: 10, offset: 0 })).map(({ id }) => id)).toEqual([other.id, made.id]);
    expect(await house.agents.get(ann, made.id)).toEqual(made);
    await house.agents.end(ann, other.id);
    expect((await house.agents.list(ann, { limit: 10, offset: 0, status: 'active' })).map(({ id }) => id)).toEqual([made.id]);
  });

  it.each([
    [{ agents: [{ accountId: one }, { accountId: `${one}-vfqyo` }] }], [{ agents: [{ accountId: 'agent1' }, { accountId: two }] }], [{ limits: { turns: 0 } }], [{ limits: { depth: 101 } }],
    [{ limits: { milliseconds: 1 } }], [{ limits: { costMicros: Number.NaN } }],
  ] as Partial<NewSession>[][])('are not made of %j', async (wrong) => {
    await expect(newSession(wrong)).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await house.agents.list(ann, { limit: 10, offset: 0 })).toEqual([]);
    expect(await house.conversations.list(ann, { limit: 10, offset: 0 })).toEqual([]);
  });

  it('that there are not are not found, other conversations among them', async () => {
    const chat = await house.conversations.create(ann, { origin: 'test' });
    for (const id of [chat.id, 'no-such-session', '3f0c9c1e-6a54-4a53-9a0e-0d3c0f5f8a11']) await expect(house.agents.get(ann, id)).rejects.toMatchObject({ code: 'not_found', message: 'Session not found' });
  });

  it('go with their conversation', async () => {
    const { id } = await newSession();
    await house.conversations.delete(ann, id);
    await expect(house.agents.get(ann, id)).rejects.toMatchObject({ code: 'not_found' });
    expect(await database.storage.read.selectFrom('session_agents').selectAll().execute()).toEqual([]);
  });

  it('hand their transcript over once it has ended, and once more only when that has failed', async () => {
    const { id } = await newSession();
    const seen: (string | undefined)[] = [];
    handOver = async (sessionId) => {
      seen.push((await house.agents.record(sessionId))?.session.status);
      return nothing;
    };
    expect(await house.agents.end(ann, id)).toMatchObject({ status: 'ended', transcript: nothing });
    expect(seen).toEqual(['ended']);
    handOver = async (sessionId) => {
      seen.push(sessionId);
      return submitted;
    };
    const [first, second] = await Promise.all([house.agents.end(ann, id), house.agents.end(ann, id)]);
    expect([first.transcript, second.transcript]).toEqual([submitted, submitted]);
    const again = await house.agents.end(ann, id);
    expect([again.transcript, seen.length, again.endedAt]).toEqual([submitted, 2, first.endedAt]);
  });

  it('announce their transcript in the transaction that ends them, once, and end only together with that', async () => {
    const { id } = await newSession();
    await Promise.all([house.agents.end(ann, id), house.agents.end(ann, id)]);
    expect(announced).toEqual([id]);
    const other = await newSession();
    await database.storage.write((queries) => queries.insertInto('settings').values({ key: `to be kept ${other.id}`, value: 'in the way' }).execute());
    await expect(house.agents.end(ann, other.id)).rejects.toThrow();
    expect(await house.agents.get(ann, other.id)).toMatchObject({ status: 'active', endedAt: null });
    expect(await house.agents.record(other.id)).toBeNull();
  });

  it('are told to have ended once, with what became of their transcript, also when their conversation is deleted then', async () => {
    const { id } = await newSession();
    handOver = async () => submitted;
    const { client, next, told } = listen(house.agents, ann);
    await client.join(id, one);
    await client.end(id);
    expect(await next('ended')).toMatchObject({ transcriptSubmitted: true });
    await house.conversations.delete(ann, id);
    const other = await newSession();
    const watcher = listen(house.agents, ann);
    await watcher.client.join(other.id, one);
    await house.conversations.delete(ann, other.id);
    expect(await watcher.next('ended')).toMatchObject({ transcriptSubmitted: false });
    for (let looks = 0; looks < 200 && house.agents.joined > 0; looks += 1) await new Promise((resolve) => setTimeout(resolve, 5));
    expect([house.agents.joined, told.filter(({ kind }) => kind === 'ended').length]).toEqual([0, 1]);
  });

  it('end in time, also when the ledger takes long; its receipt is there later', async () => {
    const { id } = await newSession();
    const receipt = Promise.withResolvers<Transcript>();
    handOver = () => receipt.promise;
    expect(await house.agents.end(ann, id)).toMatchObject({ status: 'ended', transcript: nothing });
    receipt.resolve(submitted);
    for (;;) {
      const { transcript } = await house.agents.get(ann, id);
      if (transcript.submitted) break;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect((await house.agents.get(ann, id)).transcript).toEqual(submitted);
  });

  it('keep the order in which things were whole, and times that never go backwards', async () => {
    const { id } = await newSession();
    const { client, next } = listen(house.agents, ann);
    await client.join(id, one);
    await client.sayOnBehalf(id, one, 'First', true);
    const call = await house.models.call();
    for (const text of ['Second', 'Third']) await client.sayOnBehalf(id, one, text, false);
    const before = await house.agents.messages(ann, id, 0, 10);
    call.text('Fourth');
    call.finish();
    await next('response');
    await client.sayOnBehalf(id, one, 'Fifth', false);
    const { messages, total } = await house.agents.messages(ann, id, 0, 10);
    expect([messages.map(({ text }) => text), total]).toEqual([['First', 'Second', 'Third', 'Fourth', 'Fifth'], 5]);
    expect(messages.slice(0, 3)).toEqual(before.messages);
    expect(messages.map(({ at }) => at)).toEqual(messages.map(({ at }) => at).toSorted((a, b) => a - b));
  });

  it('let somebody else in as the second agent alone, who cannot end them', async () => {
    const ben = await addViewer(database.storage, 'ben');
    const { id } = await newSession();
    const stranger = listen(house.agents, ben);
    await expect(stranger.client.join(id, two)).rejects.toMatchObject({ code: 'forbidden' });
    await house.conversations.invite(ann, id, 'ben');
    await expect(stranger.client.join(id, one)).rejects.toMatchObject({ code: 'forbidden' });
    await stranger.client.join(id, two);
    await stranger.client.sayAsAgent(id, two, 'Hello');
    await stranger.next('message');
    await expect(stranger.client.end(id)).rejects.toMatchObject({ code: 'forbidden' });
    await house.conversations.removeParticipant(ann, id, ben.userId);
    for (; stranger.client.place !== null; ) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(stranger.client.sayAsAgent(id, two, 'Still here')).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('leave nothing behind: a hundred of them joined, run and ended (a thousand with their transcripts: session-transcripts.test.ts)', { timeout: 120_000 }, async () => {
    house.models.answerWith(['Good.']);
    const count = 100;
    const handles = (): number => process.getActiveResourcesInfo().filter((name) => name !== 'TCPSocketWrap' && name !== 'Immediate').length;
    const round = async (sessions: number): Promise<void> => {
      for (let from = 0; from < sessions; from += 50) {
        await Promise.all(Array.from({ length: 50 }, async () => {
          const { id } = await newSession();
          const { client, next } = listen(house.agents, ann);
          await client.join(id, one);
          await house.agents.run(ann, id, { turns: 2, message: 'Hello' });
          await next('response');
          await next('response');
          await house.agents.end(ann, id);
          await next('ended');
          client.close();
        }));
      }
    };
    await round(50);
    const [before, subscribed] = [handles(), bus.subscribed];
    await round(count);
    for (let look = 0; look < 200 && handles() > before; look += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect([house.agents.joined, house.agents.pendingTranscripts, bus.subscribed]).toEqual([0, 0, subscribed]);
    expect(handles()).toBeLessThanOrEqual(before);
    expect(await database.storage.read.selectFrom('turns').selectAll().execute()).toEqual([]);
    expect(await house.jobs.list({ kind: 'agents-run', states: ['waiting', 'running'] }, 10)).toEqual([]);
  });
});

/** A bus that knows how many listen to it. */
function countingBus(): Bus & { subscribed: number } {
  const bus = createLocalBus((error) => { throw error; });
  const counting: Bus & { subscribed: number } = {
    ...bus,
    subscribed: 0,
    subscribe(topic, receive) {
      const unsubscribe = bus.subscribe(topic, receive);
      counting.subscribed += 1;
      let isOpen = true;
      return () => {
        if (isOpen) counting.subscribed -= 1;
        isOpen = false;
        unsubscribe();
      };
    },
  };
  return counting;
}
