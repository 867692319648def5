import type { Bus } from '../../../base/events/index.ts';
import type { Clock } from '../../../base/clock.ts';
import { asParleyError, type ErrorCode } from '../../../base/errors.ts';
import type { Job, JobRun } from '../../../base/jobs/index.ts';
import type { OllamaServers, PullProgress } from '../providers/ollama/index.ts';
import type { OllamaPull } from './types.ts';

/** What a job is asked to do. */
export interface PullPayload {
  model: string;
  instanceId: string;
}

/** What it notes while it runs, and when it fails. */
export interface PullNote extends PullProgress {
  /** Why it failed; absent while it has not. */
  code?: ErrorCode;
}

/** Topic of the bus under which downloads are told. */
export const pullTopic = 'ollama-pulls';

/** Tells the listeners on every instance of this server how far a download is. */
export function tellPull(bus: Bus, pull: OllamaPull): void {
  bus.publish(pullTopic, { type: 'pull', pull });
}

/** Milliseconds between two reports. */
const reportMs = 300;
/** Percent of a download that has not succeeded, at most: the last of it is that the instance lists the model. */
const mostUnfinished = 99.9;

export interface PullParts {
  servers: OllamaServers;
  bus: Bus;
  clock: Clock;
}

/** Makes one instance fetch one model. What was fetched before a break is not fetched again: the instance keeps it. */
export async function runPull(job: Job, run: JobRun, { servers, bus, clock }: PullParts): Promise<null> {
  const { model, instanceId } = job.payload as PullPayload;
  let note: PullNote = { status: '', completedBytes: 0, totalBytes: 0 };
  const tell = (state: OllamaPull['state'], error: string | null): void => tellPull(bus, { ...pullOf({ ...job, state, note }), error });
  let reportedAt = -Infinity;
  try {
    for await (const progress of servers.pull(instanceId, model, run.signal)) {
      note = progress;
      if (clock.monotonic() - reportedAt < reportMs) continue;
      reportedAt = clock.monotonic();
      await run.report(Math.min(percentOf(note) / 100, 1), note);
      tell('running', null);
    }
  } catch (thrown) {
    const error = asParleyError(thrown);
    note = { ...note, code: error.code };
    await run.report(percentOf(note) / 100, note);
    // One that the server broke off by stopping goes on later.
    if (run.isCancelled()) tell('cancelled', null);
    else if (!run.signal.aborted) tell('failed', error.message);
    throw error;
  }
  await run.report(1, note);
  tell('done', null);
  return null;
}

function percentOf({ completedBytes, totalBytes }: PullProgress): number {
  return totalBytes === 0 ? 0 : Math.min((100 * completedBytes) / totalBytes, mostUnfinished);
}

export function pullOf(job: Pick<Job, 'id' | 'payload' | 'note' | 'state' | 'error'>): OllamaPull {
  const { model, instanceId } = job.payload as PullPayload;
  const { status, completedBytes, totalBytes } = (job.note as PullNote | null) ?? { status: '', completedBytes: 0, totalBytes: 0 };
  return {
    id: job.id, model, instanceId, state: job.state, status, completedBytes, totalBytes,
    progress: job.state === 'done' ? 100 : Math.round(percentOf({ status, completedBytes, totalBytes }) * 10) / 10,
    error: job.state === 'failed' ? job.error : null,
  };
}

/** Why a download failed; null for one that did not. */
export function failureCode(job: Pick<Job, 'state' | 'note'>): ErrorCode | null {
  return job.state === 'failed' ? ((job.note as PullNote | null)?.code ?? 'internal') : null;
}
