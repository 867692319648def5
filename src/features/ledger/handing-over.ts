import { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Job, Jobs, NewJob } from '../../base/jobs/index.ts';
import type { Part } from '../../base/lifecycle.ts';
import type { Log, Metrics } from '../../base/observability/index.ts';
import { SecretsError } from '../../base/secrets.ts';
import type { Storage, WriteQueries } from '../../base/storage/index.ts';
import { Places } from './places.ts';
import type { AnchorRecord, Ledger, SealedTranscript, Transcript } from './types.ts';

export interface HandingOverNeeds {
  storage: Storage;
  jobs: Jobs;
  ledger: Ledger;
  metrics: Metrics;
  log: Log;
  /** What is to be sealed of something that has ended; null when it has not, or is gone. The same whenever it is asked. */
  transcriptOf(id: string): Promise<Transcript | null>;
}

/** How one transcript stands. */
export interface Handover {
  /** Null while it is not sealed. */
  sealed: SealedTranscript | null;
  anchors: AnchorRecord[];
  /** When it is tried again by itself, ISO 8601; null when it is not, or at this moment. */
  nextTryAt: string | null;
}

/**
 * Seals transcripts and hands them over to every anchor, whatever happens to the process: by a durable job, which tries again
 * with growing pauses what did not come to its end.
 */
export interface HandingOver extends Part {
  /** Adds the job in the caller's transaction. One that was added before is not added again. */
  add(queries: WriteQueries, id: string): Promise<void>;
  /**
   * Seals and submits now, or joins who does; resolves when this try is over, well or not, and what is missing then is tried
   * again by itself. Does nothing for one that every anchor has. Never throws.
   */
  attempt(id: string): Promise<void>;
  /** Seals what has ended, if it is not sealed yet. @returns null when there is nothing to seal @throws {ParleyError} as `Ledger.seal` */
  seal(id: string): Promise<SealedTranscript | null>;
  stateOf(id: string): Promise<Handover>;
  /** Transcripts that this process is working on. */
  readonly pending: number;
}

const kind = 'transcript';
const payloadForm = z.object({ id: z.string() });

/** Tries of the job: with its pauses of at most five minutes, about four hours. What has failed then is tried again by hand. */
export const mostTries = 50;
/** Transcripts that one process hands over at the same time. */
const mostAtOnce = 4;

/** Whoever works for the server sees every transcript. */
const server = { userId: '', role: 'owner' } as const;

export function createHandingOver(needs: HandingOverNeeds): HandingOver {
  const { storage, jobs, ledger, log } = needs;
  const stopping = new AbortController();
  const places = new Places(mostAtOnce);
  /** By transcript: a job, and whoever waits for it, share one try. */
  const pending = new Map<string, Promise<AnchorRecord[]>>();

  const attempt = (id: string): Promise<AnchorRecord[]> => {
    const known = pending.get(id);
    if (known) return known;
    const work = places.within(stopping.signal, async () => {
      const sealed = await seal(needs, id);
      return sealed ? await ledger.anchor(sealed, { signal: stopping.signal }) : [];
    }).finally(async () => {
      pending.delete(id);
      if (!stopping.signal.aborted) await count(needs);
    });
    pending.set(id, work);
    return work;
  };

  jobs.register(kind, async (job: Job, { signal }) => {
    const { id } = payloadForm.parse(job.payload);
    if (await isDone(needs, id)) return { anchors: [] };
    const records = await abortable(attempt(id), signal).catch(tellRetried);
    const missing = records.filter(({ state }) => state !== 'done');
    if (missing.length > 0) throw new Error(missing.map(({ anchor, state, problem }) => `${anchor}: ${state}. ${problem ?? ''}`).join(' '));
    return { anchors: records.map(({ anchor }) => anchor) };
  }, mostAtOnce);

  return {
    name: 'transcripts',
    async start() {
      await freeLeases(needs);
      await count(needs);
    },
    async stop() {
      stopping.abort(new Error('The server stops.'));
      await Promise.allSettled(pending.values());
    },
    async add(queries, id) {
      await jobs.add(queries, jobOf(id));
    },
    async attempt(id) {
      try {
        if (await isDone(needs, id)) return;
        // One that has used up its tries, or was done before an anchor was set up, gets new ones.
        await jobs.enqueue({ ...jobOf(id), again: true });
        await attempt(id);
      } catch (error) {
        log.error({ err: error, transcript: id }, 'A transcript could not be handed over');
      }
    },
    seal: (id) => seal(needs, id),
    async stateOf(id) {
      const [sealed, job] = await Promise.all([
        ledger.transcript(server, id),
        storage.read.selectFrom('jobs').select(['state', 'run_at']).where('dedup_key', '=', keyOf(id)).executeTakeFirst(),
      ]);
      return { sealed, anchors: sealed ? [...sealed.anchors] : [], nextTryAt: job?.state === 'waiting' ? isoTime(job.run_at) : null };
    },
    get pending() {
      return pending.size;
    },
  };
}

async function seal({ ledger, transcriptOf }: HandingOverNeeds, id: string): Promise<SealedTranscript | null> {
  const before = await ledger.transcript(server, id);
  if (before) return before;
  const transcript = await transcriptOf(id);
  return transcript && (await ledger.seal(transcript));
}

function keyOf(id: string): string {
  return `${kind}:${id}`;
}

function jobOf(id: string): NewJob {
  return { kind, payload: { id }, dedupKey: keyOf(id), maxAttempts: mostTries };
}

/** Whether it is sealed, and every anchor that is set up has all of it. */
async function isDone({ ledger }: HandingOverNeeds, id: string): Promise<boolean> {
  const records = await ledger.anchors(id);
  const wanted = ledger.anchorStatus().filter(({ state }) => state !== 'off');
  return wanted.every(({ name }) => records.some(({ anchor, state }) => anchor === name && state === 'done'));
}

/** A job whose error is a wrong request is not tried again; that the key cannot be read is mended without a word to the job. */
function tellRetried(error: unknown): never {
  if (error instanceof ParleyError && error.cause instanceof SecretsError) throw new Error(error.message, { cause: error });
  throw error;
}

/** The work, or the reason of a signal: the work itself goes on. */
async function abortable<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** With SQLite one server holds the data folder, so at its start whoever had a submission is dead, and nobody need wait for the lease. */
async function freeLeases({ storage }: HandingOverNeeds): Promise<void> {
  if (storage.engine !== 'sqlite') return;
  await storage.write((queries) => queries.updateTable('ledger_anchors').set({ owner: null, lease_until: null }).where('owner', 'is not', null).execute());
}

/** The figures of /metrics, as the rows have them. */
async function count({ storage, metrics }: HandingOverNeeds): Promise<void> {
  const rows = await storage.read.selectFrom('ledger_anchors').select(['anchor', 'state']).select((builder) => builder.fn.countAll<number>().as('count')).groupBy(['anchor', 'state']).execute();
  metrics.ledgerAnchors.reset();
  for (const { anchor, state, count: rowsOf } of rows) metrics.ledgerAnchors.set({ anchor, state }, Number(rowsOf));
}
