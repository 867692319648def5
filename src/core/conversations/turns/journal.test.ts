import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { createLocalBus } from '../../../base/events/index.ts';
import { addRunningTurns, readLog } from '../../../base/storage/fixtures.ts';
import { engines, openTestStorage, type TestStorage } from '../../../base/storage/testing.ts';
import { createJournal, newJournalEntry, type Journal, type JournalEntry } from './journal.ts';

describe.each(engines)('The journal, on %s', (engine) => {
  let opened: TestStorage;
  let journal: Journal;
  let one: JournalEntry;
  let other: JournalEntry;

  beforeEach(async () => {
    opened = await openTestStorage(engine);
    journal = createJournal({ storage: opened.storage, bus: createLocalBus(() => undefined), clock: systemClock, turnsRunning: () => 2 });
    const { messageIds } = await addRunningTurns(opened.storage, 2);
    [one, other] = messageIds.map((id) => newJournalEntry(id, 1, (reason) => expect.unreachable(`lost: ${JSON.stringify(reason)}`))) as [JournalEntry, JournalEntry];
  });
  afterEach(() => opened.close());

  test('has committed everything that was added before, when a flush has ended', async () => {
    journal.add(one, [{ kind: 'text', text: 'a' }], true);
    journal.add(other, [{ kind: 'text', text: 'b' }]);
    await journal.flush();
    expect([one.feed.seq, other.feed.seq]).toEqual([1, 1]);
    expect(await readLog(opened.storage, other.messageId)).toEqual(['1:b']);
  });

  test('also what another turn that cannot wait has taken along into the next group', async () => {
    journal.add(one, [{ kind: 'text', text: 'a' }], true);
    // The rows of that group are on their way, and no answer can have come yet.
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    journal.add(one, [{ kind: 'text', text: 'b' }]);
    // Lets the next group begin as soon as the first has ended, before whoever waits for the first goes on.
    journal.add(other, [{ kind: 'text', text: 'c' }], true);
    await journal.flush();
    expect([one.feed.seq, other.feed.seq]).toEqual([one.seq, other.seq]);
    expect(one.feed.events.map((event) => ('text' in event ? event.text : event.kind)).join('')).toBe('ab');
    expect((await readLog(opened.storage, one.messageId)).map((row) => row.slice(2)).join('')).toBe('ab');
  });
});
