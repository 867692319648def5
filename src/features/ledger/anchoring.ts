import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import { newId } from '../../base/ids.ts';
import type { Log } from '../../base/observability/index.ts';
import { databaseTime, type LedgerAnchorsTable, type Storage } from '../../base/storage/index.ts';
import type { Anchor, Progress, Submitted } from './anchors/anchor.ts';
import type { AnchorOptions, AnchorRecord, SealedTranscript } from './types.ts';

/** Milliseconds after which whoever submits and says nothing is taken for dead. */
const leaseMs = 30_000;
/** Milliseconds between two looks at what another server submits. */
const lookMs = 200;

interface Needs {
  storage: Storage;
  clock: Clock;
  log: Log;
  /** What the progress of an anchor says, also of one that is not set up any more. */
  describe(anchor: string, progress: Progress): ReturnType<Anchor['describe']>;
}

/** What becomes of handing transcripts over, in rows: one submits at a time, and the next one goes on where it stopped. */
export class Submissions {
  readonly #needs: Needs;

  constructor(needs: Needs) {
    this.#needs = needs;
  }

  /** Submits to one anchor, goes on, or waits for the server that does at this moment. Never throws for what the anchor does. */
  async submit(anchor: Anchor, sealed: SealedTranscript, options: AnchorOptions): Promise<AnchorRecord> {
    const id = sealed.seal.statement.session;
    const owner = newId();
    const row = (await this.#claim(id, anchor.name, owner)) ?? (await this.#join(id, anchor, owner, options));
    if (row === null) return await this.#recordNow(anchor, id, 'Another server is submitting it at this moment.');
    const progress = progressOf(row);
    const ending = new AbortController();
    const heart = setInterval(() => void this.#keep(id, anchor.name, owner, null).catch(() => ending.abort()), leaseMs / 3).unref();
    const within = AbortSignal.timeout(options.timeoutMs ?? anchor.timeoutMs);
    const signal = AbortSignal.any([within, ending.signal, ...(options.signal ? [options.signal] : [])]);
    let submitted: Submitted;
    try {
      submitted = await anchor.submit(sealed, progress, { signal, save: (reached) => this.#keep(id, anchor.name, owner, reached) });
    } catch (error) {
      this.#needs.log.error({ err: error, transcript: id, anchor: anchor.name }, 'A transcript could not be handed over');
      const reached = await this.#row(id, anchor.name);
      submitted = { state: reached && this.#recordOf(reached).transactions.length > 0 ? 'partial' : 'failed', progress: reached ? (progressOf(reached) ?? {}) : {}, problem: 'It could not be handed over; the log of the server says why.' };
    } finally {
      clearInterval(heart);
    }
    await this.#end(id, anchor.name, owner, submitted);
    return await this.#recordNow(anchor, id, submitted.problem);
  }

  /** What is known of some transcripts, by their ids; nothing of those that were never tried. */
  async records(ids: readonly string[]): Promise<Map<string, AnchorRecord[]>> {
    const found = new Map<string, AnchorRecord[]>();
    if (ids.length === 0) return found;
    const rows = await this.#needs.storage.read.selectFrom('ledger_anchors').selectAll().where('transcript_id', 'in', [...ids]).orderBy('anchor').execute();
    for (const row of rows) found.set(row.transcript_id, [...(found.get(row.transcript_id) ?? []), this.#recordOf(row)]);
    return found;
  }

  async progress(anchor: Anchor, id: string): Promise<Progress | null> {
    const row = await this.#row(id, anchor.name);
    return row ? progressOf(row) : null;
  }

  /** Waits until another server has done what it can, or the time is over; then null. Takes the work over when that server has died. */
  async #join(id: string, anchor: Anchor, owner: string, options: AnchorOptions): Promise<LedgerAnchorsTable | null> {
    const within = AbortSignal.timeout(options.timeoutMs ?? anchor.timeoutMs);
    const signal = options.signal ? AbortSignal.any([within, options.signal]) : within;
    for (;;) {
      const row = await this.#row(id, anchor.name);
      if (!row || row.state === 'done' || row.owner === null || signal.aborted) return null;
      const taken = await this.#claim(id, anchor.name, owner, row.owner);
      if (taken) return taken;
      await sleep(lookMs, null, { signal }).catch(() => null);
    }
  }

  /** Takes the work; null when somebody else has it, or it is done. @param from of whom alone, when that one says nothing any more */
  async #claim(id: string, anchor: string, owner: string, from?: string): Promise<LedgerAnchorsTable | null> {
    const { storage, clock } = this.#needs;
    const now = databaseTime(storage.engine, clock);
    return await storage.write(async (queries) => {
      await queries.insertInto('ledger_anchors')
        .values({ transcript_id: id, anchor, state: 'pending', progress: '{}', problem: null, attempts: 0, owner: null, lease_until: null, changed_at: now })
        .onConflict((conflict) => conflict.columns(['transcript_id', 'anchor']).doNothing()).execute();
      const row = await queries.updateTable('ledger_anchors')
        .set((expression) => ({ owner, lease_until: databaseTime(storage.engine, clock, leaseMs), attempts: expression('attempts', '+', 1), changed_at: now }))
        .where('transcript_id', '=', id).where('anchor', '=', anchor).where('state', '<>', 'done')
        .where((expression) => expression.or([...(from === undefined ? [expression('owner', 'is', null)] : []), expression.and([...(from === undefined ? [] : [expression('owner', '=', from)]), expression('lease_until', '<', now)])])).returningAll().executeTakeFirst();
      return row ?? null;
    });
  }

  /** Says that we are still there, and keeps what was reached. @throws when somebody else has taken over */
  async #keep(id: string, anchor: string, owner: string, progress: Progress | null): Promise<void> {
    const { storage, clock } = this.#needs;
    const { numUpdatedRows } = await storage.write((queries) => queries.updateTable('ledger_anchors')
      .set({ lease_until: databaseTime(storage.engine, clock, leaseMs), ...(progress ? { progress: JSON.stringify(progress) } : {}) })
      .where('transcript_id', '=', id).where('anchor', '=', anchor).where('owner', '=', owner).executeTakeFirst());
    if (numUpdatedRows === 0n) throw new Error('Another server has taken this submission over.');
  }

  async #end(id: string, anchor: string, owner: string, { state, progress, problem }: Submitted): Promise<void> {
    const { storage, clock } = this.#needs;
    await storage.write((queries) => queries.updateTable('ledger_anchors')
      .set({ state, progress: JSON.stringify(progress), problem, owner: null, lease_until: null, changed_at: databaseTime(storage.engine, clock) })
      .where('transcript_id', '=', id).where('anchor', '=', anchor).where('owner', '=', owner).execute());
  }

  async #row(id: string, anchor: string): Promise<LedgerAnchorsTable | undefined> {
    return await this.#needs.storage.read.selectFrom('ledger_anchors').selectAll().where('transcript_id', '=', id).where('anchor', '=', anchor).executeTakeFirst();
  }

  async #recordNow(anchor: Anchor, id: string, problem: string | null): Promise<AnchorRecord> {
    const row = (await this.#row(id, anchor.name))!;
    const record = this.#recordOf(row);
    return { ...record, problem: record.state === 'done' ? null : (record.problem ?? problem) };
  }

  #recordOf(row: LedgerAnchorsTable): AnchorRecord {
    return { anchor: row.anchor, state: row.state, problem: row.problem, ...this.#needs.describe(row.anchor, progressOf(row) ?? {}) };
  }
}

function progressOf({ progress }: LedgerAnchorsTable): Progress | null {
  return progress === '{}' ? null : (JSON.parse(progress) as Progress);
}
