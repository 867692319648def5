import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../../base/clock.ts';
import { ParleyError } from '../../../base/errors.ts';
import type { Bus } from '../../../base/events/index.ts';
import type { Storage, TurnLogRow } from '../../../base/storage/index.ts';
import type { TokenLogprob } from '../../models/index.ts';
import type { TurnEvent } from '../types.ts';
import { TurnFeed } from './feed.ts';

/** An event before it has its place in the log. */
export type NewTurnEvent =
  | { kind: 'start'; model: string }
  | { kind: 'text' | 'reasoning'; text: string }
  | { kind: 'tool'; index: number; id?: string; name?: string; arguments: string }
  | { kind: 'logprobs'; tokens: TokenLogprob[] }
  | { kind: 'usage'; usage: { tokensIn?: number; tokensOut?: number; tokensReasoning?: number; tokensCached?: number } };

/** A running turn as the journal sees it. */
export interface JournalEntry {
  readonly messageId: string;
  readonly epoch: number;
  readonly feed: TurnFeed;
  /** Not yet given to the database. Neighbouring texts are joined as they come. */
  pending: NewTurnEvent[];
  /** UTF-16 units of text in `pending`. */
  pendingLength: number;
  /** The last seq given to the database. */
  seq: number;
  textOffset: number;
  reasoningOffset: number;
  /** Set when a row could not be written: nothing more is. */
  lost: boolean;
  /** Called when the database refused a row, because the lease was lost, or failed. After it nothing more is written. */
  onLost(reason: { fenced: true } | { fenced: false; error: unknown }): void;
}

export function newJournalEntry(messageId: string, epoch: number, onLost: JournalEntry['onLost']): JournalEntry {
  return { messageId, epoch, feed: new TurnFeed(), pending: [], pendingLength: 0, seq: 0, textOffset: 0, reasoningOffset: 0, lost: false, onLost };
}

/**
 * Commits the events of all running turns together before anyone sees them: on SQLite once in each turn of the event
 * loop, or every few milliseconds while many turns run; on PostgreSQL every 20 ms. The first text of a turn does not wait.
 */
export interface Journal {
  /** Adds events; they reach the entry's feed when they are committed. */
  add(entry: JournalEntry, events: readonly NewTurnEvent[], atOnce?: boolean): void;
  /** Resolves when everything added before has been committed or lost. */
  flush(): Promise<void>;
  /** Nothing waits for the database any more: what cannot be committed at once is lost. */
  close(): void;
}

/** Turns that run at the same time from which events are gathered for a moment, so that a commit serves many. */
const fewTurns = 8;
/** How long they are gathered then, milliseconds. */
const busyGroupMs = 4;
/** Turns at the same time from which a commit serves so many that gathering longer saves more than anybody sees of it. */
const manyTurns = 32;
const manyGroupMs = 10;
/** On PostgreSQL, where a commit is a way over the network and back, milliseconds. */
const postgresGroupMs = 20;
/** How long a group waits for a PostgreSQL server that is away before its turns end, milliseconds. */
const patienceMs = 30_000;
/** Pause before the group is given to it again, milliseconds. */
const againMs = 250;

interface JournalParts {
  storage: Storage;
  bus: Bus;
  clock: Clock;
  /** Turns that run now in this process. */
  turnsRunning: () => number;
}

export function createJournal(parts: JournalParts): Journal {
  return new GroupJournal(parts);
}

class GroupJournal implements Journal {
  private readonly parts: JournalParts;
  /** Turns with events that wait. */
  private dirty = new Set<JournalEntry>();
  private timer: NodeJS.Timeout | undefined;
  private scheduled = false;
  /** Whether a group is being committed: one at a time keeps the order; what comes meanwhile joins the next. */
  private running = false;
  private commits: Promise<void> = Promise.resolve();
  /** Whether someone's first text waits for the group that runs. */
  private urgent = false;
  private closed = false;

  constructor(parts: JournalParts) {
    this.parts = parts;
  }

  add(entry: JournalEntry, events: readonly NewTurnEvent[], atOnce = false): void {
    if (entry.lost) return;
    for (const event of events) join(entry, event);
    if (entry.pending.length === 0) return;
    this.dirty.add(entry);
    this.urgent ||= atOnce;
    if (this.urgent && !this.running) this.begin();
    else this.schedule();
  }

  async flush(): Promise<void> {
    // What was added before is in the group that runs now or in the next one; later ones are not waited for.
    if (this.running) await this.commits;
    // The next one may have begun by itself, and hold the events already: then nothing is dirty, and still not committed.
    this.begin();
    if (this.running) await this.commits;
  }

  close(): void {
    this.closed = true;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    const milliseconds = this.gatherMs();
    if (milliseconds === 0) this.begin();
    else this.timer = setTimeout(() => this.begin(), milliseconds);
  }

  /** How long events other than first texts wait for company, milliseconds. */
  private gatherMs(): number {
    const { storage, turnsRunning } = this.parts;
    if (storage.engine === 'postgres') return postgresGroupMs;
    const turns = turnsRunning();
    return turns > manyTurns ? manyGroupMs : turns > fewTurns ? busyGroupMs : 0;
  }

  private begin(): void {
    clearTimeout(this.timer);
    this.scheduled = false;
    if (this.running || this.dirty.size === 0) return;
    this.urgent = false;
    this.commits = this.commitGroup();
  }

  private async commitGroup(): Promise<void> {
    this.running = true;
    let taken: ReturnType<typeof take> | null = null;
    // Called when the storage is about to write: what came until then is in the same group.
    const takeAll = (): ReturnType<typeof take> => {
      if (taken) return taken;
      taken = take(this.dirty);
      this.dirty = new Set();
      return taken;
    };
    try {
      const written = await this.append(() => takeAll().rows);
      this.show(takeAll().groups, written);
    } catch (error) {
      for (const { entry } of takeAll().groups) lose(entry, { fenced: false, error });
    } finally {
      this.running = false;
      if (this.urgent) this.begin();
      else if (this.dirty.size > 0) this.schedule();
    }
  }

  /**
   * Appends a group. While the server is away (a restart, a switch to another one) it is tried again: the models go on
   * meanwhile, and what they say gathers. Whether the turns are still held is then for their rows to say.
   */
  private async append(takeRows: () => TurnLogRow[]): Promise<boolean[]> {
    const { storage, clock } = this.parts;
    const began = clock.monotonic();
    for (let again = false; ; again = true) {
      try {
        return await storage.appendTurnLog(again ? takeRows() : takeRows, again);
      } catch (error) {
        const mayPass = storage.engine === 'postgres' && error instanceof ParleyError && error.code === 'storage_unavailable';
        if (!mayPass || this.closed || clock.monotonic() - began > patienceMs) throw error;
        await delay(againMs, undefined, { ref: false });
      }
    }
  }

  /** Lets the readers see what is committed now. */
  private show(groups: readonly Group[], written: readonly boolean[]): void {
    for (const { entry, events, last } of groups) {
      if (!written[last]) {
        lose(entry, { fenced: true });
        continue;
      }
      entry.feed.push(events);
      this.parts.bus.publish(`turn:${entry.messageId}`, { type: 'turn', seq: entry.seq });
    }
  }
}

/** The events of one turn in a group, and where its last row stands. */
interface Group {
  entry: JournalEntry;
  events: TurnEvent[];
  last: number;
}

/** Everything that waits, as rows. */
function take(entries: Iterable<JournalEntry>): { rows: TurnLogRow[]; groups: Group[] } {
  const rows: TurnLogRow[] = [];
  const groups: Group[] = [];
  for (const entry of entries) {
    if (entry.pending.length > 0) groups.push({ entry, events: place(entry, rows), last: rows.length - 1 });
  }
  return { rows, groups };
}

function lose(entry: JournalEntry, reason: Parameters<JournalEntry['onLost']>[0]): void {
  entry.lost = true;
  // Nothing may be written behind the hole.
  entry.pending = [];
  entry.pendingLength = 0;
  entry.onLost(reason);
}

function join(entry: JournalEntry, event: NewTurnEvent): void {
  const last = entry.pending.at(-1);
  if (event.kind === 'text' || event.kind === 'reasoning') {
    if (event.text === '') return;
    entry.pendingLength += event.text.length;
    if (last && last.kind === event.kind) {
      last.text += event.text;
      return;
    }
    entry.pending.push({ kind: event.kind, text: event.text });
    return;
  }
  entry.pending.push(event);
}

/** Gives the pending events of a turn their places and adds their rows. */
function place(entry: JournalEntry, rows: TurnLogRow[]): TurnEvent[] {
  const events: TurnEvent[] = [];
  for (const event of entry.pending) {
    const seq = ++entry.seq;
    const row = { messageId: entry.messageId, seq, kind: event.kind, epoch: entry.epoch };
    if (event.kind === 'text' || event.kind === 'reasoning') {
      const offset = event.kind === 'text' ? entry.textOffset : entry.reasoningOffset;
      if (event.kind === 'text') entry.textOffset += event.text.length;
      else entry.reasoningOffset += event.text.length;
      rows.push({ ...row, body: event.text, offset });
      events.push({ seq, kind: event.kind, text: event.text, offset });
    } else {
      const { kind: _, ...body } = event;
      rows.push({ ...row, body: JSON.stringify(body), offset: 0 });
      events.push({ seq, ...event } as TurnEvent);
    }
  }
  entry.pending = [];
  entry.pendingLength = 0;
  return events;
}

/** A row of the log as the event it was. */
export function eventOfRow(row: { seq: number; kind: string; body: string; text_offset: number }): TurnEvent {
  if (row.kind === 'text' || row.kind === 'reasoning') return { seq: row.seq, kind: row.kind, text: row.body, offset: row.text_offset };
  return { seq: row.seq, kind: row.kind, ...(JSON.parse(row.body) as object) } as TurnEvent;
}
