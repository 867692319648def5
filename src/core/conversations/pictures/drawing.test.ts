import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ParleyError } from '../../../base/errors.ts';
import { engines, openTestStorage, type TestStorage } from '../../../base/storage/testing.ts';
import type { Viewer } from '../../accounts/index.ts';
import { addViewer, startConversations } from '../testing.ts';

describe.each(engines)('drawing on %s', (engine) => {
  let store: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let ann: Viewer;
  beforeEach(async () => {
    store = await openTestStorage(engine);
    ann = { ...(await addViewer(store.storage, 'ann')), via: 'token' };
    house = await startConversations(store.storage);
  });
  afterEach(() => store.close());

  const draw = (more: object = {}, signal = new AbortController().signal) => house.conversations.drawUnstored(ann, { model: null, prompt: 'a wall', dialect: 'test', ...more }, signal);
  const usage = async (): Promise<unknown[]> => {
    await house.stop();
    return store.storage.read.selectFrom('usage').select(['user_id', 'kind', 'model', 'outcome', 'cost_micros', 'tokens_in', 'dialect']).execute();
  };

  test('gives the pictures, and leaves a row of its usage and nothing else', async () => {
    expect(await draw({ count: 2, size: '1024x1024' })).toMatchObject({ model: 'scripted/one', size: '1024x1024', pictures: [{ revisedPrompt: null }, {}] });
    expect(await usage()).toEqual([{ user_id: ann.userId, kind: 'image', model: 'scripted/one', outcome: 'DELIVERED', cost_micros: 80_000, tokens_in: null, dialect: 'test' }]);
    expect(await store.storage.read.selectFrom('messages').select('id').execute()).toEqual([]);
  });

  test('that fails or is cancelled costs nothing, and says so in its row', async () => {
    house.models.draw = async () => { throw new ParleyError('provider_error'); };
    await expect(draw()).rejects.toMatchObject({ code: 'provider_error' });
    const abort = new AbortController();
    house.models.draw = async () => { abort.abort(); throw new ParleyError('cancelled'); };
    await expect(draw({}, abort.signal)).rejects.toMatchObject({ code: 'cancelled' });
    expect(await usage()).toMatchObject([{ outcome: 'FAILED', cost_micros: null }, { outcome: 'CANCELLED', cost_micros: null }]);
  });
});

describe.each(engines)('what drawing costs a budget on %s', (engine) => {
  test('is the price of the pictures: what is beyond it is refused before anything is drawn', async () => {
    const store = await openTestStorage(engine);
    const ann: Viewer = { ...(await addViewer(store.storage, 'ann')), via: 'token' };
    const house = await startConversations(store.storage, { budgets: { perUser: [{ period: 'day', requests: null, tokens: null, costMicros: 100_000 }], unpriced: 'refuse' } });
    const draw = (count: number) => house.conversations.drawUnstored(ann, { model: null, prompt: 'a wall', count, dialect: 'test' }, new AbortController().signal);
    try {
      await expect(draw(3)).rejects.toMatchObject({ code: 'budget_exceeded' });
      await draw(2);
      house.models.drawCost = () => null;
      await expect(draw(1)).rejects.toMatchObject({ code: 'forbidden' });
    } finally {
      await house.stop();
      await store.close();
    }
  });
});
