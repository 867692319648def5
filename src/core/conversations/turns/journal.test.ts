import { beforeEach, describe, expect, test, vi } from 'vitest';
import { ParleyError } from '../../../base/errors.ts';
import { createLocalBus } from '../../../base/events/index.ts';
import type { Engine, Storage, TurnLogRow } from '../../../base/storage/index.ts';
import { createJournal, newJournalEntry, type Journal, type JournalEntry } from './journal.ts';

/** What a storage would do with a group of rows; each call takes the next one, the last one stays. */
type Answer = (rows: readonly TurnLogRow[], again: boolean) => boolean[];

const stored: Answer = (rows) => rows.map(() => true);
const away: Answer = () => {
  throw new ParleyError('storage_unavailable');
};

describe('the journal, when the database is away', () => {
  let answers: Answer[];
  let given: { bodies: string[]; again: boolean }[];
  let now: number;
  let onLost: ReturnType<typeof vi.fn<JournalEntry['onLost']>>;
  let entry: JournalEntry;

  beforeEach(() => {
    answers = [stored];
    given = [];
    now = 0;
    onLost = vi.fn<JournalEntry['onLost']>();
    entry = newJournalEntry('message', 1, onLost);
  });

  function open(engine: Engine): Journal {
    const appendTurnLog: Storage['appendTurnLog'] = async (rows, again = false) => {
      const taken = typeof rows === 'function' ? rows() : rows;
      given.push({ bodies: taken.map((row) => `${row.seq}:${row.body}`), again });
      const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
      return answer(taken, again);
    };
    const storage = { engine, appendTurnLog } as Storage;
    const bus = createLocalBus((error) => { throw error; });
    return createJournal({ storage, bus, clock: { now: () => now, monotonic: () => now }, turnsRunning: () => 1 });
  }
  const texts = (): string[] => entry.feed.events.map((event) => (event.kind === 'text' ? `${event.seq}:${event.text}` : event.kind));

  test('gives the same rows again until it is back; what comes meanwhile follows, and nothing is shown before', async () => {
    answers = [away, away, stored];
    const journal = open('postgres');
    journal.add(entry, [{ kind: 'text', text: 'An oak ' }], true);
    await vi.waitFor(() => expect(given).toHaveLength(1));
    journal.add(entry, [{ kind: 'text', text: 'is a tree.' }]);
    expect(texts()).toEqual([]);
    await journal.flush();
    expect(given).toEqual([
      { bodies: ['1:An oak '], again: false },
      { bodies: ['1:An oak '], again: true },
      { bodies: ['1:An oak '], again: true },
      { bodies: ['2:is a tree.'], again: false },
    ]);
    expect(texts()).toEqual(['1:An oak ', '2:is a tree.']);
    expect(onLost).not.toHaveBeenCalled();
  });

  test('ends the turn when another instance has taken it meanwhile', async () => {
    answers = [away, (rows) => rows.map(() => false)];
    const journal = open('postgres');
    journal.add(entry, [{ kind: 'text', text: 'An oak ' }], true);
    await journal.flush();
    expect(onLost).toHaveBeenCalledWith({ fenced: true });
    expect(texts()).toEqual([]);
  });

  test.each([
    ['after half a minute', 'postgres', () => (now = 30_001)],
    ['when the server stops', 'postgres', (journal: Journal) => journal.close()],
    ['at once with SQLite, which is never away', 'sqlite', () => undefined],
  ] as const)('gives up %s', async (_when, engine, happens) => {
    answers = [away];
    const journal = open(engine);
    journal.add(entry, [{ kind: 'text', text: 'An oak ' }], true);
    await vi.waitFor(() => expect(given.length).toBeGreaterThan(0));
    happens(journal);
    await journal.flush();
    expect(onLost).toHaveBeenCalledExactlyOnceWith({ fenced: false, error: expect.objectContaining({ code: 'storage_unavailable' }) });
    expect(texts()).toEqual([]);
  });

  test('gives up at once when the database says no for another reason', async () => {
    answers = [() => { throw new ParleyError('storage_full'); }];
    const journal = open('postgres');
    journal.add(entry, [{ kind: 'text', text: 'An oak ' }], true);
    await journal.flush();
    expect(given).toHaveLength(1);
    expect(onLost).toHaveBeenCalledExactlyOnceWith({ fenced: false, error: expect.objectContaining({ code: 'storage_full' }) });
  });
});
