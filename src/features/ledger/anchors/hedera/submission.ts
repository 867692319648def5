import type { Clock } from '../../../../base/clock.ts';
import type { SubmissionRun, Submitted } from '../anchor.ts';
import { chunkCount, chunkOf, digestOf } from './content.ts';
import { MirrorError, mirrorMessages } from './mirror.ts';
import { initialOf, type HederaProgress, type Part } from './progress.ts';
import { isStillGood, startOf, validSeconds, type TransactionIds } from './transaction-id.ts';
import type { ChunkSender } from './worker-client.ts';

/** Parts that are on their way at the same time. */
const atOnce = 8;

export interface SubmissionNeeds {
  clock: Clock;
  sender: ChunkSender;
  ids: TransactionIds;
  /** Null when the network has none that we know. */
  mirrorUrl: string | null;
  timeoutMs: number;
}

/** A new submission. */
export function newProgress(content: Buffer, about: Pick<HederaProgress, 'network' | 'topic' | 'payer' | 'content'>): HederaProgress {
  const parts = Array.from({ length: chunkCount(content) }, (_, index): Part => ({ number: index + 1, transactionId: null, state: 'waiting', sequence: null, runningHash: null }));
  return { ...about, digest: digestOf(content), parts };
}

/**
 * Submits what is missing. The ids of transactions are kept before they are sent, so that whatever breaks, each part arrives
 * once: a transaction that may have been sent is sent again under its id while the network would still take it (it then
 * answers that it has it, and gives the receipt), and behind that it is looked for in the topic.
 */
export async function submitParts(needs: SubmissionNeeds, content: Buffer, progress: HederaProgress, run: SubmissionRun): Promise<Submitted> {
  let problem = await findLost(needs, content, progress, run.signal);
  if (problem === null) {
    const [first, ...others] = progress.parts as [Part, ...Part[]];
    // All others name the transaction of the first, so it comes by itself.
    problem = await submitBatch(needs, content, progress, [first], run);
    for (let at = 0; at < others.length && problem === null; at += atOnce) problem = await submitBatch(needs, content, progress, others.slice(at, at + atOnce), run);
  }
  const done = progress.parts.filter(({ state }) => state === 'done').length;
  if (done === progress.parts.length) return { state: 'done', progress, problem: null };
  const told = problem ?? 'Not every part was confirmed.';
  return { state: done > 0 ? 'partial' : 'failed', progress, problem: done > 0 ? `${done} of ${progress.parts.length} parts were confirmed. ${told}` : told };
}

async function submitBatch({ clock, sender, ids, timeoutMs }: SubmissionNeeds, content: Buffer, progress: HederaProgress, batch: readonly Part[], run: SubmissionRun): Promise<string | null> {
  const open = batch.filter(({ state }) => state !== 'done');
  if (open.length === 0) return null;
  if (run.signal.aborted) return 'The time was over before everything was sent.';
  const begun = clock.monotonic();
  const sentBefore = new Set(open.filter(({ state }) => state === 'sent'));
  for (const part of open) {
    part.transactionId ??= ids.next(progress.payer);
    part.state = 'sent';
  }
  await run.save(progress);
  const results = await Promise.all(open.map(async (part) => {
    const result = await sender.send({
      transactionId: part.transactionId!, initialTransactionId: initialOf(progress)!, number: part.number, total: progress.parts.length,
      bytes: new Uint8Array(chunkOf(content, part.number)), mayHaveArrived: sentBefore.has(part), timeoutMs: Math.max(1000, timeoutMs - (clock.monotonic() - begun)),
    }, run.signal);
    if (result.outcome === 'done') Object.assign(part, { state: 'done', sequence: result.sequence, runningHash: result.runningHash });
    // What was refused, or was never sent, is sent next time as another transaction.
    if (result.outcome === 'refused' || (result.outcome === 'unsent' && !sentBefore.has(part))) Object.assign(part, { state: 'waiting', transactionId: null });
    return result.outcome === 'done' ? null : result.problem;
  }));
  await run.save(progress);
  return results.find((problem) => problem !== null) ?? null;
}

/** Seconds behind the end of a transaction until which the network may still be at it, and a mirror node may not have it. */
const settlingSeconds = 60;

/**
 * Looks in the topic for parts that were sent so long ago that their transactions are not sent again. Those that are not
 * there when the network has long been done with them will never arrive, and get new transactions.
 */
async function findLost({ clock, mirrorUrl }: SubmissionNeeds, content: Buffer, progress: HederaProgress, signal: AbortSignal): Promise<string | null> {
  const lost = progress.parts.filter(({ state, transactionId }) => state === 'sent' && !isStillGood(transactionId!, clock.now()));
  if (lost.length === 0) return null;
  if (mirrorUrl === null) return 'Nobody knows which parts arrived the last time: set HEDERA_MIRROR_URL, so that the topic can be read.';
  const initial = initialOf(progress)!;
  const [from, settledAt] = [startOf(initial), Math.max(...lost.map(({ transactionId }) => startOf(transactionId!))) + (validSeconds + settlingSeconds) * 1000];
  // Nothing that others wrote later has to be read.
  const filter = `timestamp=gte:${Math.floor(from / 1000)}.000000000&timestamp=lte:${Math.ceil(settledAt / 1000)}.000000000`;
  try {
    for await (const message of mirrorMessages(mirrorUrl, progress.topic, filter, signal)) {
      if (message.initialTransactionId !== initial || message.total !== progress.parts.length) continue;
      const part = lost.find(({ number, state }) => number === message.number && state !== 'done');
      if (part && message.bytes.equals(chunkOf(content, part.number))) Object.assign(part, { state: 'done', sequence: message.sequence, runningHash: message.runningHash });
    }
  } catch (error) {
    if (!(error instanceof MirrorError)) throw error;
    return `Nobody knows which parts arrived the last time. ${error.message}`;
  }
  if (lost.some(({ state }) => state !== 'done') && clock.now() < settledAt) return 'Nobody knows yet which parts arrived the last time: the network may still be at it.';
  for (const part of lost) if (part.state !== 'done') Object.assign(part, { state: 'waiting', transactionId: null });
  return null;
}
