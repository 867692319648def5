import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ParleyError } from '../errors.ts';
import { newId } from '../ids.ts';
import { addRunningTurns, conversationRow, logRow, messageRow, readLog, turnRow, usageRow, userRow } from './fixtures.ts';
import { isUniqueViolation, openStorage } from './index.ts';
import type { MessagesTable } from './schema.ts';
import { openTestStorage, type TestStorage } from './testing.ts';
import type { Engine, Storage, WriteQueries } from './types.ts';

/** What every engine must do. Each engine's test file calls it. */
export function storageSuite(engine: Engine): void {
  let opened: TestStorage;
  let storage: Storage;

  beforeAll(async () => {
    opened = await openTestStorage(engine);
    storage = opened.storage;
  });
  afterAll(async () => await opened.close());

  transactionSuite(() => storage);
  valueSuite(() => storage);
  deletionSuite(() => storage);
  turnLogSuite(() => storage);
  lifeSuite(() => opened);
}

/** Two places where tests can meet: `reach` says that one side is there, `reached` waits for it. */
function gate(): { reached: Promise<void>; reach: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { reached: promise, reach: resolve };
}

async function setting(storage: Storage, key: string): Promise<string | undefined> {
  return (await storage.read.selectFrom('settings').select('value').where('key', '=', key).executeTakeFirst())?.value;
}

function transactionSuite(storage: () => Storage): void {
  describe('a transaction', () => {
    test('is committed as a whole, and its answer is passed on', async () => {
      const answer = await storage().write(async (queries) => {
        await queries.insertInto('settings').values([{ key: 'whole.1', value: 'a' }, { key: 'whole.2', value: 'b' }]).execute();
        return 'answer';
      });
      expect(answer).toBe('answer');
      expect([await setting(storage(), 'whole.1'), await setting(storage(), 'whole.2')]).toEqual(['a', 'b']);
    });

    test('that throws leaves nothing, and the next one works', async () => {
      const mistake = new Error('mistake');
      const failed = storage().write(async (queries) => {
        await queries.insertInto('settings').values({ key: 'nothing', value: 'a' }).execute();
        throw mistake;
      });
      await expect(failed).rejects.toBe(mistake);
      expect(await setting(storage(), 'nothing')).toBeUndefined();
      await storage().write(async (queries) => await queries.insertInto('settings').values({ key: 'next', value: 'a' }).execute());
      expect(await setting(storage(), 'next')).toBe('a');
    });

    test('is invisible to readers until it is committed, and does not hold them up', async () => {
      const inside = gate();
      const go = gate();
      const writing = storage().write(async (queries) => {
        await queries.insertInto('settings').values({ key: 'invisible', value: 'a' }).execute();
        inside.reach();
        await go.reached;
      });
      await inside.reached;
      expect(await setting(storage(), 'invisible')).toBeUndefined();
      go.reach();
      await writing;
      expect(await setting(storage(), 'invisible')).toBe('a');
    });

    test('of many that change one row loses no change, when each locks the row it reads', async () => {
      await storage().write(async (queries) => await queries.insertInto('settings').values({ key: 'count', value: '0' }).execute());
      await Promise.all(Array.from({ length: 25 }, () => storage().write(async (queries) => {
        const row = await queries.selectFrom('settings').select('value').where('key', '=', 'count').forUpdate().executeTakeFirstOrThrow();
        await queries.updateTable('settings').set({ value: String(Number(row.value) + 1) }).where('key', '=', 'count').execute();
      })));
      expect(await setting(storage(), 'count')).toBe('25');
    });

    test('inside another one is refused instead of waiting for itself', async () => {
      const nested = storage().write(async () => await storage().write(async () => 1));
      await expect(nested).rejects.toThrow(/inside another one/);
      const appended = storage().write(async () => await storage().appendTurnLog([logRow(newId(), 1)]));
      await expect(appended).rejects.toThrow(/inside another one/);
      expect(await storage().write(async () => 'works')).toBe('works');
    });

    test('gives queries that end with it', async () => {
      const kept = await storage().write(async (queries) => ({ queries }));
      await expect(kept.queries.selectFrom('settings').selectAll().execute()).rejects.toThrow(/committed/);
    });

    test('tells of its commit, and only of that', async () => {
      const told: string[] = [];
      await storage().write(async (queries) => {
        storage().afterCommit(queries, () => {
          throw new Error('an effect that fails harms nobody');
        });
        storage().afterCommit(queries, () => told.push('committed'));
        expect(told).toEqual([]);
      });
      const failed = storage().write(async (queries) => {
        storage().afterCommit(queries, () => told.push('rolled back'));
        throw new Error('mistake');
      });
      await expect(failed).rejects.toThrow('mistake');
      expect(told).toEqual(['committed']);
      expect(() => storage().afterCommit({} as WriteQueries, () => {})).toThrow(/write/);
    });

    test('that breaks a unique key says so', async () => {
      const user = userRow();
      await storage().write(async (queries) => await queries.insertInto('users').values(user).execute());
      const again = storage().write(async (queries) => await queries.insertInto('users').values({ ...userRow(), username_key: user.username_key }).execute());
      const error = await again.catch((thrown: unknown) => thrown);
      expect(isUniqueViolation(error)).toBe(true);
      const orphan = storage().write(async (queries) => await queries.insertInto('conversations').values(conversationRow(newId())).execute());
      const other = await orphan.catch((thrown: unknown) => thrown);
      expect(other).toBeInstanceOf(Error);
      expect(isUniqueViolation(other)).toBe(false);
    });
  });
}

function valueSuite(storage: () => Storage): void {
  describe('values', () => {
    test('come back as they went in, in ordinary objects', async () => {
      const user = userRow({ username: 'Zoë 🦜\u0001', email: '', created_at: Number.MAX_SAFE_INTEGER, tokens_valid_from: -5 });
      const conversation = conversationRow(user.id, { temperature: 0.7, max_tokens: 1e12, title: 'x'.repeat(100_000) });
      await storage().write(async (queries) => {
        await queries.insertInto('users').values(user).execute();
        await queries.insertInto('conversations').values(conversation).execute();
      });
      const [row] = await storage().read.selectFrom('users').selectAll().where('id', '=', user.id).execute();
      expect(row).toStrictEqual(user);
      expect(await storage().read.selectFrom('conversations').selectAll().where('id', '=', conversation.id).execute()).toStrictEqual([conversation]);
    });

    test('of sums and counts are numbers', async () => {
      const user = userRow();
      await storage().write(async (queries) => {
        await queries.insertInto('users').values(user).execute();
        await queries.insertInto('usage').values([usageRow(user.id, null), usageRow(user.id, null)]).execute();
      });
      const row = await storage().read.selectFrom('usage')
        .select((column) => [column.fn.sum('tokens_out').as('sum'), column.fn.countAll().as('count'), column.fn.avg('duration_ms').as('average'), column.fn.max('created_at').as('last')])
        .where('user_id', '=', user.id)
        .executeTakeFirst();
      expect(row).toStrictEqual({ sum: 4, count: 2, average: 4.5, last: 1 });
    });

    test('of the wrong type are refused', async () => {
      const wrong = storage().write(async (queries) =>
        await queries.insertInto('users').values({ ...userRow(), created_at: 'yesterday' as unknown as number }).execute());
      await expect(wrong).rejects.toThrow();
    });

    test('too large for a number are an error, not another number', async () => {
      await expect(sql`select cast('9007199254740993' as bigint) as large`.execute(storage().read)).rejects.toThrow(/large/);
    });

    test('of text are ordered byte by byte, whatever the language of the machine', async () => {
      const keys = ['Z', 'a', 'ä', 'b-1', 'b1'].map((text) => `order.${text}`);
      await storage().write(async (queries) => await queries.insertInto('settings').values(keys.map((key) => ({ key, value: '' }))).execute());
      const rows = await storage().read.selectFrom('settings').select('key').where('key', 'like', 'order.%').orderBy('key').execute();
      expect(rows.map((row) => row.key)).toEqual(['Z', 'a', 'b-1', 'b1', 'ä'].map((text) => `order.${text}`));
    });

    test('of times are the database\'s and close to ours', async () => {
      expect(Math.abs((await storage().now()) - Date.now())).toBeLessThan(60_000);
      expect(Number.isInteger(await storage().now())).toBe(true);
    });
  });
}

/** How many rows of each table name this conversation or its messages. */
async function rowsOf(storage: Storage, conversationId: string, messageIds: string[]): Promise<Record<string, number>> {
  const count = async (query: Promise<unknown[]>): Promise<number> => (await query).length;
  const { read } = storage;
  return {
    conversations: await count(read.selectFrom('conversations').select('id').where('id', '=', conversationId).execute()),
    participants: await count(read.selectFrom('participants').select('user_id').where('conversation_id', '=', conversationId).execute()),
    messages: await count(read.selectFrom('messages').select('id').where('conversation_id', '=', conversationId).execute()),
    turns: await count(read.selectFrom('turns').select('message_id').where('conversation_id', '=', conversationId).execute()),
    turn_log: await count(read.selectFrom('turn_log').select('seq').where('message_id', 'in', messageIds).execute()),
    usage: await count(read.selectFrom('usage').select('id').where('message_id', 'in', messageIds).execute()),
  };
}

function deletionSuite(storage: () => Storage): void {
  /** A conversation of one long chain with a running turn at its end. */
  async function addChain(length: number): Promise<{ userId: string; conversationId: string; lastIds: string[] }> {
    const user = userRow();
    const conversation = conversationRow(user.id);
    const messages: MessagesTable[] = [];
    for (let seq = 1; seq <= length; seq += 1) messages.push(messageRow(conversation.id, seq, { parent_id: messages.at(-1)?.id ?? null, sender_id: user.id }));
    const last = messages.at(-1)!;
    await storage().write(async (queries) => {
      await queries.insertInto('users').values(user).execute();
      await queries.insertInto('conversations').values({ ...conversation, head_id: last.id }).execute();
      await queries.insertInto('participants').values({
        conversation_id: conversation.id, user_id: user.id, role: 'OWNER', can_send_messages: 1, can_upload_files: 1, message_count: 0, joined_at: 1, last_read_at: null, pinned_at: null,
      }).execute();
      for (let at = 0; at < length; at += 500) await queries.insertInto('messages').values(messages.slice(at, at + 500)).execute();
      await queries.insertInto('turns').values(turnRow(last, user.id)).execute();
      await queries.insertInto('usage').values(usageRow(user.id, last.id)).execute();
    });
    await storage().appendTurnLog([logRow(last.id, 1), logRow(last.id, 2)]);
    return { userId: user.id, conversationId: conversation.id, lastIds: [last.id] };
  }

  describe('deleting', () => {
    test('a conversation deletes all of it, however long its chain, and keeps the usage', async () => {
      const { conversationId, lastIds } = await addChain(3000);
      expect(await rowsOf(storage(), conversationId, lastIds)).toEqual({ conversations: 1, participants: 1, messages: 3000, turns: 1, turn_log: 2, usage: 1 });
      await storage().write(async (queries) => await queries.deleteFrom('conversations').where('id', '=', conversationId).execute());
      expect(await rowsOf(storage(), conversationId, lastIds)).toEqual({ conversations: 0, participants: 0, messages: 0, turns: 0, turn_log: 0, usage: 1 });
    });

    test('a user deletes what is theirs, and leaves their words in conversations of others without a name', async () => {
      const { userId, conversationId, lastIds } = await addChain(3);
      const other = await addChain(1);
      const guest = messageRow(other.conversationId, 2, { sender_id: userId });
      await storage().write(async (queries) => await queries.insertInto('messages').values(guest).execute());
      await storage().write(async (queries) => await queries.deleteFrom('users').where('id', '=', userId).execute());
      expect(await rowsOf(storage(), conversationId, lastIds)).toEqual({ conversations: 0, participants: 0, messages: 0, turns: 0, turn_log: 0, usage: 0 });
      const kept = await storage().read.selectFrom('messages').select('sender_id').where('id', '=', guest.id).execute();
      expect(kept).toEqual([{ sender_id: null }]);
    });
  });
}

function turnLogSuite(storage: () => Storage): void {
  describe('the turn log', () => {
    test('takes rows of several turns in one call, in their order', async () => {
      const [one, two] = (await addRunningTurns(storage(), 2)).messageIds as [string, string];
      const written = await storage().appendTurnLog([logRow(one, 1, { body: 'a' }), logRow(two, 1, { body: 'b' }), logRow(one, 2, { body: 'c "quoted", ü 🦜' })]);
      expect(written).toEqual([true, true, true]);
      expect(await readLog(storage(), one)).toEqual(['1:a', '2:c "quoted", ü 🦜']);
      expect(await readLog(storage(), two)).toEqual(['1:b']);
      expect(await storage().appendTurnLog([])).toEqual([]);
    });

    test('takes rows only for a running turn, under the epoch of its lease', async () => {
      const [one, two, three] = (await addRunningTurns(storage(), 3)).messageIds as [string, string, string];
      await storage().write(async (queries) => {
        await queries.updateTable('turns').set({ epoch: 2 }).where('message_id', '=', two).execute();
        await queries.updateTable('turns').set({ state: 'QUEUED' }).where('message_id', '=', three).execute();
      });
      const written = await storage().appendTurnLog([
        logRow(one, 1), logRow(two, 1), logRow(two, 1, { epoch: 2 }), logRow(three, 1), logRow(newId(), 1), logRow(one, 2, { epoch: 2 }),
      ]);
      expect(written).toEqual([true, false, true, false, false, false]);
      expect(await readLog(storage(), one)).toEqual(['1:token']);
      expect(await readLog(storage(), three)).toEqual([]);
    });

    test('does not take a row twice, and such a row harms no other', async () => {
      const [one, two] = (await addRunningTurns(storage(), 2)).messageIds as [string, string];
      await storage().appendTurnLog([logRow(one, 1, { body: 'first' })]);
      expect(await storage().appendTurnLog([logRow(one, 1, { body: 'second' }), logRow(two, 1)])).toEqual([false, true]);
      expect(await readLog(storage(), one)).toEqual(['1:first']);
    });

    test('takes a thousand rows at once', async () => {
      const [one] = (await addRunningTurns(storage(), 1)).messageIds as [string];
      const rows = Array.from({ length: 1000 }, (_, index) => logRow(one, index + 1));
      expect((await storage().appendTurnLog(rows)).every(Boolean)).toBe(true);
      expect(await readLog(storage(), one)).toHaveLength(1000);
    });

    test('asks for rows when it is about to write them, and goes on after one that had none to give', async () => {
      const [one] = (await addRunningTurns(storage(), 1)).messageIds as [string];
      const mistake = storage().appendTurnLog(() => {
        throw new Error('no rows');
      });
      await expect(mistake).rejects.toThrow('no rows');
      expect(await storage().appendTurnLog(() => [])).toEqual([]);
      const rows = [logRow(one, 1)];
      const appended = storage().appendTurnLog(() => rows);
      rows.push(logRow(one, 2)); // As what a model says while another transaction is written.
      const answers = await appended;
      expect(answers.every(Boolean)).toBe(true);
      expect(await readLog(storage(), one)).toHaveLength(answers.length);
    });

    test('keeps the order of calls that were not waited for', async () => {
      const [one] = (await addRunningTurns(storage(), 1)).messageIds as [string];
      const seen: number[] = [];
      await Promise.all(Array.from({ length: 20 }, async (_, index) => {
        await storage().appendTurnLog([logRow(one, index + 1)]);
        seen.push(index + 1);
      }));
      expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    });

    test('waits for a transaction that takes the turn over, and then writes nothing', async () => {
      const [one] = (await addRunningTurns(storage(), 1)).messageIds as [string];
      const taken = gate();
      const go = gate();
      let logAtTakeover: unknown[] = [];
      const takeover = storage().write(async (queries) => {
        await queries.updateTable('turns').set({ epoch: 2, owner: 'two' }).where('message_id', '=', one).execute();
        logAtTakeover = await queries.selectFrom('turn_log').select('seq').where('message_id', '=', one).execute();
        taken.reach();
        await go.reached;
      });
      await taken.reached;
      const appended = storage().appendTurnLog([logRow(one, 1)]);
      go.reach();
      await takeover;
      expect(await appended).toEqual([false]);
      expect(logAtTakeover).toEqual([]);
      expect(await readLog(storage(), one)).toEqual([]);
    });
  });
}

function lifeSuite(opened: () => TestStorage): void {
  describe('its life', () => {
    test('says that it is well', async () => {
      expect(await opened().storage.check()).toEqual({ ok: true });
      expect(await opened().storage.integrity()).toEqual([]);
    });

    test('says how large it is on its disk, and grows by what is written', async () => {
      const { storage } = opened();
      const before = await storage.sizeBytes();
      expect(before).toBeGreaterThan(10_000);
      await storage.write((queries) => queries.insertInto('settings').values({ key: 'large', value: randomBytes(1_500_000).toString('base64') }).execute());
      expect((await storage.sizeBytes()) - before).toBeGreaterThan(1_500_000);
    });

    test('not started, or stopped, it answers that it is not open', async () => {
      const other = openStorage(opened().options);
      await other.stop();
      for (const use of [
        () => other.read.selectFrom('settings').selectAll().execute(),
        () => other.write(async () => 1),
        () => other.appendTurnLog([logRow(newId(), 1)]),
      ]) {
        const error = await use().catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(ParleyError);
        expect((error as ParleyError).code).toBe('storage_unavailable');
      }
      expect(await other.check()).toEqual({ ok: false, problem: 'The database is not open.' });
    });
  });
}
