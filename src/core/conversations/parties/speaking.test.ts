import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { engines, openTestStorage, type TestStorage } from '../../../base/storage/testing.ts';
import type { Viewer } from '../../accounts/index.ts';
import { addViewer, readToEnd, startConversations } from '../testing.ts';
import type { ConversationEvent, Message, Speaking } from '../types.ts';

describe.each(engines)('Parties for which models speak, on %s', (engine) => {
  let database: TestStorage;
  let house: Awaited<ReturnType<typeof startConversations>>;
  let ann: Viewer;
  let id: string;

  beforeAll(async () => {
    database = await openTestStorage(engine);
    ann = await addViewer(database.storage, 'ann');
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    house = await startConversations(database.storage);
    id = (await house.conversations.create(ann, { origin: 'test', isLinear: true, model: 'none' })).id;
  });
  afterEach(() => house.stop());

  const as = (speaker: string, more: Partial<Speaking> = {}): Speaking => ({ parties: { speaker, user: 'host', assistant: 'guest' }, model: null, instructions: `You are the ${speaker}.`, dialect: 'test', ...more });
  const say = (party: string, content: string): Promise<Message> => house.conversations.append(ann, id, { role: 'user', content, party });
  const ended = async (message: Message): Promise<Message> => {
    await readToEnd(house.conversations.attach(ann, message.id, 0, AbortSignal.timeout(10_000)));
    return house.conversations.message(ann, message.id);
  };

  it('see their own words as theirs, and those of all others as what they are told', async () => {
    await say('host', 'Welcome');
    const answer = await house.conversations.speak(ann, id, as('guest', { metadata: { mood: 'glad' } }));
    const first = await house.models.call();
    expect(first.request.messages).toEqual([{ role: 'system', content: 'You are the guest.' }, { role: 'user', content: 'Welcome' }]);
    first.text('Thanks');
    first.finish();
    expect(await ended(answer)).toMatchObject({ role: 'assistant', content: 'Thanks', status: 'DELIVERED', metadata: { mood: 'glad', party: 'guest' } });
    await house.conversations.send(ann, id, { content: 'From elsewhere', dialect: 'test', answer: false, metadata: { party: 'guest', other: 1 } });
    await house.conversations.speak(ann, id, as('host'));
    const second = await house.models.call();
    // What names no party, or claims to be of one, is of the host.
    expect(second.request.messages.slice(1)).toEqual([{ role: 'assistant', content: 'Welcome' }, { role: 'user', content: 'Thanks' }, { role: 'assistant', content: 'From elsewhere' }]);
    second.finish();
  });

  it('speak only when whoever decides lets them, and nothing is stored otherwise', async () => {
    await expect(house.conversations.speak(ann, id, as('guest'))).rejects.toMatchObject({ code: 'conflict' });
    await say('host', 'Welcome');
    const refusal = new Error('not now');
    const check = async (): Promise<void> => { throw refusal; };
    await expect(house.conversations.speak(ann, id, as('guest', { check }))).rejects.toBe(refusal);
    await expect(house.conversations.append(ann, id, { role: 'user', content: 'More', check })).rejects.toBe(refusal);
    expect((await house.conversations.messages(ann, id, { limit: 10, offset: 0 })).map(({ content }) => content)).toEqual(['Welcome']);
    expect(house.models.calls).toHaveLength(0);
  });

  it('without a model fail, and what failed is seen by nobody', async () => {
    await say('host', 'Welcome');
    expect(await house.conversations.speak(ann, id, as('guest', { model: 'missing' }))).toMatchObject({ status: 'FAILED', error: { code: 'model_not_found' } });
    await house.conversations.speak(ann, id, as('guest'));
    const call = await house.models.call();
    expect(call.request.messages.slice(1)).toEqual([{ role: 'user', content: 'Welcome' }]);
    call.finish();
  });

  it('nothing branches there, and no model answers for nobody', async () => {
    const message = await say('host', 'Welcome');
    const answer = await house.conversations.speak(ann, id, as('guest'));
    const call = await house.models.call();
    call.text('Thanks');
    call.finish();
    await ended(answer);
    for (const branch of [
      () => house.conversations.edit(ann, message.id, 'Go away', { dialect: 'test' }), () => house.conversations.regenerate(ann, answer.id, { dialect: 'test' }),
      () => house.conversations.selectBranch(ann, message.id), () => house.conversations.send(ann, id, { content: 'And you?', model: 'one', dialect: 'test' }),
      () => house.conversations.sendAfter(ann, answer.id, { content: 'And you?', dialect: 'test' }),
    ]) await expect(branch()).rejects.toMatchObject({ code: 'conflict' });
    expect((await house.conversations.messages(ann, id, { limit: 10, offset: 0 })).map(({ content }) => content)).toEqual(['Welcome', 'Thanks']);
  });

  it('a closed conversation is read, and nobody speaks in it any more', async () => {
    await say('host', 'Welcome');
    const answer = await house.conversations.speak(ann, id, as('guest'));
    const call = await house.models.call();
    call.text('Tha');
    let closedAt = 0;
    await house.conversations.close(ann, id, async (_, now) => void (closedAt = now));
    expect(call.signal.aborted).toBe(true);
    expect(await house.conversations.message(ann, answer.id)).toMatchObject({ status: 'CANCELLED' });
    expect((await house.conversations.message(ann, answer.id)).endedAt).toBeGreaterThan(closedAt);
    for (const speech of [() => say('host', 'More'), () => house.conversations.speak(ann, id, as('guest')), () => house.conversations.send(ann, id, { content: 'More', dialect: 'test', answer: false })]) {
      await expect(speech()).rejects.toMatchObject({ code: 'forbidden' });
    }
    const ben = await addViewer(database.storage, `ben ${id}`);
    await expect(house.conversations.close(ben, id)).rejects.toMatchObject({ code: 'forbidden' });
  });

  if (engine === 'postgres') it('what is whole while another server closes the conversation comes behind its end, and not in front of it', async () => {
    await say('host', 'Welcome');
    const answer = await house.conversations.speak(ann, id, as('guest'));
    const call = await house.models.call();
    call.text('Thanks');
    const closedAt = Date.now() + 60_000;
    await database.storage.write(async (queries) => {
      const { rows: [own] } = await sql<{ pid: number }>`select pg_backend_pid() as pid from conversations where id = ${id} for update`.execute(queries);
      call.finish();
      // Until the end of the answer waits for this transaction.
      for (;;) {
        const { rows: [waiting] } = await sql<{ count: string }>`select count(*) as count from pg_locks where not granted and ${own!.pid} = any(pg_blocking_pids(pid))`.execute(queries);
        if (Number(waiting!.count) > 0) break;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await queries.updateTable('conversations').set({ last_activity_at: closedAt }).where('id', '=', id).execute();
    });
    expect((await ended(answer)).endedAt).toBeGreaterThan(closedAt);
  });

  it('notes of features are told in order with the messages', async () => {
    const told: ConversationEvent[] = [];
    const stop = await house.conversations.watch(ann, id, (event) => void told.push(event));
    await say('host', 'One');
    house.conversations.note(id, { kind: 'between' });
    await say('host', 'Two');
    while (told.filter(({ type }) => type === 'message').length < 2) await new Promise((resolve) => setTimeout(resolve, 2));
    stop();
    expect(told.flatMap((event) => (event.type === 'message' ? [event.message.content] : event.type === 'note' ? [event.note['kind']] : []))).toEqual(['One', 'between', 'Two']);
  });
});
