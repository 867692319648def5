import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLocalBus } from '../../base/events/index.ts';
import { engines, openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import { addViewer, scriptedModels } from '../../core/conversations/testing.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { listen, one, startAgents, two } from './testing.ts';
import type { AgentSession, NewSession } from './types.ts';

type House = Awaited<ReturnType<typeof startAgents>>;

describe.each(engines)('Agents that talk by themselves on %s', (engine) => {
  let database: TestStorage;
  let house: House;
  let ann: Viewer;
  const houses: House[] = [];

  beforeEach(async () => {
    database = await openTestStorage(engine);
    house = await start();
    ann = await addViewer(database.storage, 'ann');
  });
  afterEach(async () => {
    for (const each of houses.splice(0).reverse()) await each.stop();
    await database.close();
  });

  async function start(options: Parameters<typeof startAgents>[1] = {}): Promise<House> {
    const started = await startAgents(database, options);
    houses.push(started);
    return started;
  }

  const newSession = (more: Partial<NewSession> = {}): Promise<AgentSession> => house.agents.create(ann, { agents: [{ accountId: one, role: 'customer' }, { accountId: two, role: 'travel' }], ...more });

  /** The session, when its run is over. */
  async function over(id: string, agents = house.agents): Promise<AgentSession> {
    for (;;) {
      const session = await agents.get(ann, id);
      if (session.run?.state !== 'running') return session;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  const spoken = async (id: string): Promise<string[]> => (await house.agents.messages(ann, id, 0, 1000)).messages.map(({ from, text }) => `${from === one ? 'one' : 'two'}: ${text}`);

  it('answer each other, until the replies asked for are made', async () => {
    house.models.answerWith(['Indeed.']);
    const { id } = await newSession();
    const listener = listen(house.agents, ann);
    await listener.client.join(id, two);
    expect((await house.agents.run(ann, id, { turns: 5, message: 'Hello' })).run).toMatchObject({ state: 'running' });
    const ended = await over(id);
    expect(ended.run).toMatchObject({ state: 'ended', turnsLeft: 0, reason: 'turns-done' });
    expect(await spoken(id)).toEqual(['one: Hello', 'two: Indeed.', 'one: Indeed.', 'two: Indeed.', 'one: Indeed.', 'two: Indeed.']);
    expect([ended.turns, ended.status, ended.messageCount]).toEqual([5, 'active', 6]);
    for (let count = 0; count < 5; count += 1) await listener.next('response');
    expect(listener.told.slice(2).map(({ kind }) => kind)).toEqual(['message', ...Array.from({ length: 5 }, () => ['thinking', 'response']).flat()]);
  });

  it.each([
    ['turns', { turns: 3, costMicros: 9_000_000 }, 'turn-limit', 3],
    ['cost', { costMicros: 900_000 }, 'cost-limit', 2],
  ] as const)('stop at the limit of %s', async (_, limits, reason, replies) => {
    house.models.answerWith(['Yes.']);
    house.models.cost = () => 500_000;
    const { id } = await newSession({ limits });
    await house.agents.run(ann, id, { turns: 20, message: 'Hello' });
    expect(await over(id)).toMatchObject({ run: { state: 'ended', reason }, costMicros: replies * 500_000 });
    expect((await spoken(id)).length).toBe(1 + replies);
  });

  it('stop at the limit of time', async () => {
    const { id } = await newSession({ limits: { milliseconds: 60_000 } });
    await database.storage.write((queries) => queries.updateTable('agent_sessions').set({ started_at: Date.now() - 60_001 }).execute());
    await house.agents.run(ann, id, { message: 'Hello' });
    expect((await over(id)).run).toMatchObject({ state: 'ended', reason: 'time-limit' });
    expect(house.models.calls).toHaveLength(0);
  });

  it('are paused behind the reply in the making, and go on', async () => {
    const { id } = await newSession();
    await house.agents.run(ann, id, { turns: 3, message: 'Hello' });
    const first = await house.models.call();
    expect((await house.agents.pauseRun(ann, id)).run).toMatchObject({ state: 'paused', reason: 'paused' });
    first.text('One.');
    first.finish();
    const listener = listen(house.agents, ann);
    await listener.client.join(id, one);
    while ((await spoken(id)).length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(house.agents.pauseRun(ann, id)).rejects.toMatchObject({ code: 'conflict' });
    house.models.answerWith(['Two.']);
    expect((await house.agents.run(ann, id, {})).run).toMatchObject({ state: 'running', turnsLeft: 2 });
    expect((await over(id)).run).toMatchObject({ state: 'ended', reason: 'turns-done' });
    expect(await spoken(id)).toEqual(['one: Hello', 'two: One.', 'one: Two.', 'two: Two.']);
  });

  it('are stopped in the middle of a reply', async () => {
    const { id } = await newSession();
    await house.agents.run(ann, id, { message: 'Hello' });
    const call = await house.models.call();
    call.text('Half of');
    await expect(house.agents.run(ann, id, {})).rejects.toMatchObject({ code: 'conflict' });
    expect((await house.agents.stopRun(ann, id)).run).toMatchObject({ state: 'ended', reason: 'stopped' });
    expect(call.signal.aborted).toBe(true);
    expect(await spoken(id)).toEqual(['one: Hello']);
    expect((await house.agents.stopRun(ann, id)).run).toMatchObject({ state: 'ended', reason: 'stopped' });
  });

  it('end when a reply fails, and when the session ends', async () => {
    const failing = await newSession({ agents: [{ accountId: one }, { accountId: two, model: 'missing' }] });
    await house.agents.run(ann, failing.id, { message: 'Hello' });
    expect((await over(failing.id)).run).toMatchObject({ state: 'ended', reason: 'generation-failed' });
    const { id } = await newSession();
    await house.agents.run(ann, id, { message: 'Hello' });
    await house.models.call();
    expect(await house.agents.end(ann, id)).toMatchObject({ status: 'ended', run: { state: 'ended', reason: 'session-ended' }, messageCount: 1 });
    await expect(house.agents.run(ann, id, { message: 'More' })).rejects.toMatchObject({ code: 'conflict' });
  });

  it('a person may step in, and is answered', async () => {
    const { id } = await newSession();
    await house.agents.run(ann, id, { turns: 2, message: 'Hello' });
    const call = await house.models.call();
    const person = listen(house.agents, ann);
    await person.client.join(id, one);
    await person.client.sayOnBehalf(id, one, 'Wait, by train please', false);
    call.text('By plane?');
    call.finish();
    const second = await house.models.call();
    // What was whole last came from the second agent, so the first one goes on, and sees what was said in the order of being whole.
    expect(second.request.messages.slice(1).map(({ role, content }) => `${role}: ${content}`)).toEqual(['assistant: Hello', 'assistant: Wait, by train please', 'user: By plane?']);
    second.text('Well.');
    second.finish();
    expect((await over(id)).run).toMatchObject({ reason: 'turns-done' });
    expect(await spoken(id)).toEqual(['one: Hello', 'one: Wait, by train please', 'two: By plane?', 'one: Well.']);
  });

  it('refuses what makes no sense, and who does not own the session', async () => {
    const ben = await addViewer(database.storage, 'ben');
    const { id } = await newSession();
    await expect(house.agents.run(ann, id, {})).rejects.toMatchObject({ code: 'conflict' });
    await expect(house.agents.run(ann, id, { turns: 0, message: 'x' })).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(house.agents.run(ann, id, { turns: 101, message: 'x' })).rejects.toMatchObject({ code: 'invalid_request' });
    for (const call of [() => house.agents.run(ben, id, { message: 'x' }), () => house.agents.pauseRun(ben, id), () => house.agents.stopRun(ben, id), () => house.agents.end(ben, id), () => house.agents.get(ben, id)]) {
      await expect(call()).rejects.toMatchObject({ code: 'forbidden' });
    }
    expect(await house.agents.list(ben, { limit: 10, offset: 0 })).toEqual([]);
  });

  it('go on behind a restart, with as many replies as were asked for', async () => {
    const { id } = await newSession();
    await house.agents.run(ann, id, { turns: 3, message: 'Hello' });
    (await house.models.call()).text('Broken');
    await houses.pop()!.stop();
    // The reply that broke off may be taken up before anybody could say what its model answers.
    const models = scriptedModels();
    models.answerWith(['Whole.']);
    house = await start({ models });
    expect((await over(id)).run).toMatchObject({ state: 'ended', reason: 'turns-done' });
    expect(await spoken(id)).toEqual(['one: Hello', 'two: Whole.', 'one: Whole.', 'two: Whole.']);
  });

  if (engine === 'postgres') it('talk on one instance, and are heard and stopped on another', async () => {
    const bus = createLocalBus((error) => { throw error; });
    const [here, there] = [await start({ bus }), await start({ bus })];
    here.models.answerWith(['Good.']);
    there.models.answerWith(['Good.']);
    house.models.answerWith(['Good.']);
    const { id } = await here.agents.create(ann, { agents: [{ accountId: one }, { accountId: two }] });
    const listener = listen(there.agents, ann);
    await listener.client.join(id, two);
    await here.agents.run(ann, id, { turns: 4, message: 'Hello' });
    expect((await over(id)).run).toMatchObject({ reason: 'turns-done' });
    const kinds = (): string[] => listener.told.map(({ kind }) => kind);
    while (kinds().filter((kind) => kind === 'response').length < 4) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(kinds()).toEqual(['joined', 'history', 'message', 'thinking', 'response', 'thinking', 'response', 'thinking', 'response', 'thinking', 'response']);
    await there.agents.end(ann, id);
    await listener.next('ended');
    await expect(here.agents.run(ann, id, { message: 'More' })).rejects.toMatchObject({ code: 'conflict' });
  });
});
