import { afterEach, describe, expect, test } from 'vitest';
import { addRunningTurns } from '../fixtures.ts';
import { openStorage } from '../index.ts';
import { openTestStorage } from '../testing.ts';
import { startChild, type Child } from './fixtures/child-protocol.ts';

describe('a server that is killed while it writes', () => {
  let child: Child | null = null;
  afterEach(async () => await child?.kill());

  test.each([20, 150, 500])('loses nothing that it said was committed (after %d commits)', async (commits) => {
    const { storage, options, close } = await openTestStorage('sqlite');
    try {
      const { messageIds: [messageId] } = await addRunningTurns(storage, 1);
      await storage.stop();
      child = startChild('write', options.dataDir);
      await child.until((line) => line.committed === commits);
      await child.kill();
      const last = child.said.at(-1)!.committed!;

      const after = openStorage(options);
      await after.start();
      const settings = await after.read.selectFrom('settings').selectAll().orderBy('key').execute();
      const rows = await after.read.selectFrom('turn_log').select(['seq', 'body']).where('message_id', '=', messageId!).orderBy('seq').execute();
      // Both rows of a transaction or neither, and the log without a gap; one more of each may have been committed and not said.
      expect(settings[0]!.value).toBe(settings[1]!.value);
      expect(Number(settings[0]!.value)).toBeGreaterThanOrEqual(last);
      expect(rows.map((row) => `${row.seq}:${row.body}`)).toEqual(rows.map((_, index) => `${index + 1}:${index + 1}`));
      expect(rows.length).toBeGreaterThanOrEqual(last);
      expect(rows.length).toBeLessThanOrEqual(last + 1);
      expect(await after.integrity()).toEqual([]);
      await after.stop();
    } finally {
      await close();
    }
  });
});
