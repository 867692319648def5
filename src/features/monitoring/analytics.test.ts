import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../base/ids.ts';
import type { UsageTable } from '../../base/storage/index.ts';
import { engines, openTestStorage, type TestStorage } from '../../base/storage/testing.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { addViewer, scriptedModels, startConversations } from '../../core/conversations/testing.ts';
import { parseTimeFrame } from './time-frame.ts';
import { createTestMonitoring, type TestMonitoring } from './testing.ts';
import type { Analytics, Whose } from './types.ts';

const minute = 60_000;
const hour = 60 * minute;

describe.each(engines)('Analytics on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let made: TestMonitoring;
  let admin: Viewer;

  beforeAll(async () => {
    store = await openTestStorage(engine);
    const models = scriptedModels();
    models.answerWith(['Yes.']);
    house = await startConversations(store.storage, { models });
    // The clock of the windows is the test's; the rows are the database's.
    made = createTestMonitoring({ storage: { read: store.storage.read, now: async () => made.clock.at }, conversations: house.conversations });
    admin = { ...(await addViewer(store.storage, 'root', 'owner')), scopes: ['read', 'write', 'chat', 'admin'] };
  });
  afterAll(async () => {
    await house.stop();
    await store.close();
  });

  /** A call that ended this long before the present of the test's clock. */
  const called = (viewer: Viewer, agoMs: number, changes: Partial<UsageTable> = {}): Promise<void> =>
    store.storage.write(async (queries) => {
      await queries.insertInto('usage').values({
        id: newId(), user_id: viewer.userId, api_key_id: null, message_id: null, dialect: 'ultimate', kind: 'chat', model: 'scripted/one', tokens_in: 1, tokens_out: 1, cost_micros: 0,
        duration_ms: 100, time_to_first_token_ms: 10, outcome: 'DELIVERED', created_at: made.clock.at - agoMs, charged_tokens: null, charged_micros: null, ...changes,
      }).execute();
    });
  const of = (viewer: Viewer, frame: string, whose?: Whose): Promise<Analytics> => made.monitoring.analytics(viewer, parseTimeFrame(frame)!, whose);
  let people = 0;
  const somebody = (): Promise<Viewer> => addViewer(store.storage, `somebody ${(people += 1)}`);

  test('of nothing are zero where they count, and null where they would be measured', async () => {
    expect(await of(await somebody(), '24h')).toEqual({
      inferences: { total: 0, successful: 0, failed: 0, cancelled: 0, averageMs: null, byModel: {}, latencyTrend: 'unknown', throughputTrend: 'unknown' },
      conversations: { messages: 0, started: 0, conversations: 0, averageLength: null, answersByProfile: {} },
    });
  });

  test('count a known load exactly, and follow the clock', async () => {
    const ann = await somebody();
    for (let call = 0; call < 7; call += 1) await called(ann, 10 * minute, { model: 'scripted/one', duration_ms: 100 + call });
    for (let call = 0; call < 5; call += 1) await called(ann, 5 * hour, { model: 'scripted/two', duration_ms: 400 });
    for (let call = 0; call < 3; call += 1) await called(ann, 30 * hour, { model: 'scripted/old' });
    await called(ann, 20 * minute, { outcome: 'FAILED', duration_ms: 9000 });
    await called(ann, 20 * minute, { outcome: 'CANCELLED', duration_ms: 5000 });
    await called(ann, 20 * minute, { outcome: 'INTERRUPTED', duration_ms: null });
    expect((await of(ann, '1h')).inferences).toMatchObject({ total: 10, successful: 7, failed: 2, cancelled: 1, averageMs: 103, byModel: { 'scripted/one': 10 } });
    expect((await of(ann, '24h')).inferences).toMatchObject({ total: 15, successful: 12, averageMs: (7 * 103 + 5 * 400) / 12, byModel: { 'scripted/one': 10, 'scripted/two': 5 } });
    expect((await of(ann, '2d')).inferences).toMatchObject({ total: 18, byModel: { 'scripted/one': 10, 'scripted/two': 5, 'scripted/old': 3 } });
    // The edge belongs to what is past.
    expect([(await of(ann, '10m')).inferences.total, (await of(ann, '11m')).inferences.total]).toEqual([0, 7]);
    made.clock.at += 2 * hour;
    expect([(await of(ann, '1h')).inferences.total, (await of(ann, '24h')).inferences.total]).toEqual([0, 15]);
    made.clock.at += 20 * hour;
    expect((await of(ann, '24h')).inferences).toMatchObject({ total: 10, byModel: { 'scripted/one': 10 } });
    made.clock.at -= 22 * hour;
  });

  test('say where times and calls go, from ten calls in either half on', async () => {
    const ann = await somebody();
    for (let call = 0; call < 10; call += 1) await called(ann, 50 * minute, { duration_ms: 100 });
    for (let call = 0; call < 9; call += 1) await called(ann, 10 * minute, { duration_ms: 300 });
    expect((await of(ann, '1h')).inferences).toMatchObject({ latencyTrend: 'unknown', throughputTrend: 'unknown' });
    await called(ann, 10 * minute, { duration_ms: 300 });
    expect((await of(ann, '1h')).inferences).toMatchObject({ latencyTrend: 'degrading', throughputTrend: 'stable' });
    // Calls that failed are calls, but tell nothing of times.
    for (let call = 0; call < 5; call += 1) await called(ann, 10 * minute, { outcome: 'FAILED', duration_ms: 1 });
    expect((await of(ann, '1h')).inferences).toMatchObject({ latencyTrend: 'degrading', throughputTrend: 'increasing' });
    // Of a day all of them are in its second half.
    expect((await of(ann, '24h')).inferences).toMatchObject({ total: 25, latencyTrend: 'unknown', throughputTrend: 'unknown' });
  });

  test('hold nothing of anybody else, but for administrators who ask for it', async () => {
    const [ann, ben] = [await somebody(), await somebody()];
    const before = (await of(admin, '1h', 'all')).inferences.total;
    await called(ann, minute);
    await called(ben, minute);
    await called(ben, minute);
    expect([(await of(ann, '1h')).inferences.total, (await of(ben, '1h')).inferences.total, (await of(admin, '1h')).inferences.total]).toEqual([1, 2, 0]);
    expect((await of(admin, '1h', 'all')).inferences.total - before).toBe(3);
    await expect(of(ann, '1h', 'all')).rejects.toThrow('Only an administrator');
    await expect(house.conversations.activity(ann, 0, 'all')).rejects.toThrow('Only an administrator');
    await expect(of({ ...admin, scopes: ['read'] }, '1h', 'all')).rejects.toThrow('Only an administrator');
  });

  /** Asks in a conversation and moves everything that was said to a time. @returns its id */
  async function talked(viewer: Viewer, agoMs: number, questions: number, profile: 'technical' | 'creative'): Promise<string> {
    const { id } = await house.conversations.create(viewer, { origin: 'ultimate' });
    for (let question = 0; question < questions; question += 1) {
      const { answer } = await house.conversations.send(viewer, id, { content: 'Is it so?', dialect: 'ultimate', profile });
      await expect.poll(async () => (await house.conversations.message(viewer, answer!.id)).status, { interval: 5 }).toBe('DELIVERED');
    }
    const at = made.clock.at - agoMs;
    await store.storage.write(async (queries) => {
      await queries.updateTable('messages').set({ created_at: at }).where('conversation_id', '=', id).execute();
      await queries.updateTable('messages').set({ ended_at: at }).where('conversation_id', '=', id).where('role', '=', 'assistant').execute();
      await queries.updateTable('conversations').set({ created_at: at, last_activity_at: at }).where('id', '=', id).execute();
    });
    return id;
  }

  test('count what was said, by the very rows', async () => {
    const [ann, ben] = [await somebody(), await somebody()];
    await talked(ann, 10 * minute, 2, 'technical');
    const old = await talked(ann, 3 * hour, 3, 'creative');
    await talked(ben, minute, 1, 'creative');
    expect((await of(ann, '1h')).conversations).toEqual({ messages: 4, started: 1, conversations: 1, averageLength: 4, answersByProfile: { technical: 2 } });
    expect((await of(ann, '24h')).conversations).toEqual({ messages: 10, started: 2, conversations: 2, averageLength: 5, answersByProfile: { technical: 2, creative: 3 } });
    // One that goes on is active again, and as long as all of it; it was not begun again.
    const { answer } = await house.conversations.send(ann, old, { content: 'And now?', dialect: 'ultimate', profile: 'creative' });
    await expect.poll(async () => (await house.conversations.message(ann, answer!.id)).status, { interval: 5 }).toBe('DELIVERED');
    expect((await of(ann, '1h')).conversations).toEqual({ messages: 6, started: 1, conversations: 2, averageLength: 6, answersByProfile: { technical: 2, creative: 1 } });
    // What is put away was said all the same; what is deleted is gone.
    await house.conversations.archive(ann, old);
    expect((await of(ann, '1h')).conversations.messages).toBe(6);
    await house.conversations.delete(ann, old);
    expect((await of(ann, '24h')).conversations).toMatchObject({ messages: 4, started: 1 });
  });

  test('see branches as messages, but not as length', async () => {
    const ann = await somebody();
    const { id } = await house.conversations.create(ann, { origin: 'arketic' });
    const { answer } = await house.conversations.send(ann, id, { content: 'Is it so?', dialect: 'arketic' });
    await expect.poll(async () => (await house.conversations.message(ann, answer!.id)).status, { interval: 5 }).toBe('DELIVERED');
    const again = await house.conversations.regenerate(ann, answer!.id, { dialect: 'arketic' });
    await expect.poll(async () => (await house.conversations.message(ann, again.id)).status, { interval: 5 }).toBe('DELIVERED');
    expect((await of(ann, '1h')).conversations).toEqual({ messages: 3, started: 1, conversations: 1, averageLength: 2, answersByProfile: { general: 2 } });
  });
});
