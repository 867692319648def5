import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ParleyError } from '../../../base/errors.ts';
import { newId } from '../../../base/ids.ts';
import { silentLog } from '../../../base/observability/index.ts';
import { engines, openTestStorage, type TestStorage } from '../../../base/storage/testing.ts';
import type { Viewer } from '../../accounts/index.ts';
import type { EndedCall } from '../../budgets/index.ts';
import { addViewer } from '../testing.ts';
import { createUsageWriter, type UsageWriter } from './usage-writer.ts';

describe.each(engines)('usage of calls that are not kept on %s', (engine) => {
  let store: TestStorage;
  let ann: Viewer;
  let settled: (string | null)[];
  let writer: UsageWriter;

  beforeEach(async () => {
    store = await openTestStorage(engine);
    ann = await addViewer(store.storage, 'ann');
    settled = [];
    const settle = async (queries: Parameters<Parameters<typeof store.storage.write>[0]>[0], calls: readonly EndedCall[]): Promise<void> => {
      store.storage.afterCommit(queries, () => settled.push(...calls.map(({ reservation, usage }) => (usage ? reservation : `${reservation}, freed`))));
    };
    writer = createUsageWriter({ storage: store.storage, budgets: { settle }, log: silentLog() });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await writer.flush();
    await store.close();
  });

  const call = (reservation: string, userId = ann.userId): EndedCall => ({
    reservation, tokensSaid: 0,
    usage: {
      id: newId(), user_id: userId, api_key_id: null, message_id: null, dialect: 'test', kind: 'chat', model: 'scripted/one', tokens_in: 1, tokens_out: 1,
      cost_micros: 0, duration_ms: 1, time_to_first_token_ms: 1, outcome: 'DELIVERED', created_at: 1, charged_tokens: null, charged_micros: null,
    },
  });
  const stored = async () => (await store.storage.read.selectFrom('usage').select('id').execute()).length;

  test('is stored once when only the confirmation of the commit got lost', async () => {
    const { storage } = store;
    const write = storage.write.bind(storage);
    vi.spyOn(storage, 'write').mockImplementationOnce(async (work) => {
      await write(work);
      throw new ParleyError('storage_unavailable');
    });
    writer.add(call('first'));
    await writer.flush();
    writer.add(call('second'));
    await writer.flush();
    expect(await stored()).toBe(2);
    expect(settled).toEqual(['first', 'first, freed', 'second']);
  });

  test('is stored when the database is back, also when no other call comes', async () => {
    vi.spyOn(store.storage, 'write').mockImplementationOnce(async () => {
      throw new ParleyError('storage_unavailable');
    });
    writer.add(call('first'));
    await expect.poll(stored, { timeout: 10_000 }).toBe(1);
  });

  test('of a user who is gone keeps nobody waiting, and holds nothing of a budget', async () => {
    writer.add(call('one'));
    writer.add(call('nobody', newId()));
    writer.add(call('two'));
    await writer.flush();
    expect(await stored()).toBe(2);
    expect(settled).toEqual(['one', 'nobody, freed', 'two']);
  });
});
