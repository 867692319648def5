import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../clock.ts';
import { silentLog } from '../../observability/index.ts';
import { OpenTransactions } from '../after-commit.ts';
import { openTestStorage, type TestStorage } from '../testing.ts';
import type { WriteQueries } from '../types.ts';
import { WriteLock } from '../write-lock.ts';
import { SqliteConnection } from './connection.ts';
import { sqliteDialect } from './dialect.ts';
import { GroupCommit } from './group-commit.ts';

let opened: TestStorage;
let connection: SqliteConnection;
let group: GroupCommit;
let commits: number;

beforeEach(async () => {
  opened = await openTestStorage('sqlite');
  connection = new SqliteConnection({ path: `${opened.dataDir}/parley.db`, dataDir: opened.dataDir, fullSync: false, queryOnly: false });
  commits = 0;
  group = new GroupCommit({
    lock: new WriteLock(),
    transactions: new OpenTransactions(silentLog()),
    clock: systemClock,
    log: silentLog(),
    dialect: sqliteDialect(() => connection),
    connection: () => connection,
    committed: () => void (commits += 1),
    longestMs: Number.POSITIVE_INFINITY,
  });
});
afterEach(async () => {
  await group.drain();
  connection.close();
  await opened.close();
});

const put = (key: string) => async (queries: WriteQueries): Promise<string> => {
  await queries.insertInto('settings').values({ key, value: '' }).execute();
  return key;
};

async function keys(): Promise<string[]> {
  return (await opened.storage.read.selectFrom('settings').select('key').orderBy('key').execute()).map((row) => row.key);
}

describe('writers of one turn of the event loop', () => {
  test('share a commit, and each gets its own answer in its order', async () => {
    const order: string[] = [];
    const answers = await Promise.all(['a', 'b', 'c'].map(async (key) => {
      const answer = await group.write(put(key));
      order.push(answer);
      return answer;
    }));
    expect([answers, order, await keys()]).toEqual([['a', 'b', 'c'], ['a', 'b', 'c'], ['a', 'b', 'c']]);
    expect(commits).toBe(1);
  });

  test.each([[0], [1], [2]])('do not fail with one that fails (place %d)', async (place) => {
    const works = ['a', 'b', 'c'].map((key, index) => async (queries: WriteQueries) => {
      await put(key)(queries);
      if (index === place) throw new Error('mine alone');
      return key;
    });
    const results = await Promise.allSettled(works.map((work) => group.write(work)));
    expect(results.map((result) => result.status)).toEqual([0, 1, 2].map((index) => (index === place ? 'rejected' : 'fulfilled')));
    expect(await keys()).toEqual(['a', 'b', 'c'].filter((_, index) => index !== place));
    expect(await group.write(put('next'))).toBe('next');
  });

  test('see what those before them wrote, also when it is not committed yet', async () => {
    const results = await Promise.allSettled([group.write(put('one')), group.write(put('one')), group.write(put('two'))]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await keys()).toEqual(['one', 'two']);
  });

  test('all fail when the transaction ends under them, and nothing of them is written', async () => {
    const ended = (): void => connection.run('rollback'); // As SQLite itself does when the disk is full.
    const results = await Promise.allSettled([group.write(put('a')), group.writeNow(ended), group.write(put('b'))]);
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(await keys()).toEqual(['b']);
  });

  test('run in their own context', async () => {
    const context = new AsyncLocalStorage<string>();
    const seen = await Promise.all(['x', 'y'].map((name) => context.run(name, () => group.write(async () => context.getStore()))));
    expect(seen).toEqual(['x', 'y']);
  });

  test('cannot use their queries once they have ended, even while the group is open', async () => {
    let kept: WriteQueries | null = null;
    const results = await Promise.allSettled([
      group.write(async (queries) => void (kept = queries)),
      group.write(async () => await kept!.insertInto('settings').values({ key: 'stray', value: '' }).execute()),
    ]);
    expect(results[1]).toMatchObject({ status: 'rejected', reason: expect.objectContaining({ message: expect.stringMatching(/already committed/) }) });
    expect(await keys()).toEqual([]);
  });
});
