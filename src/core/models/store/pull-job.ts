import { join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { ParleyError } from '../../../base/errors.ts';
import type { Job, JobRun } from '../../../base/jobs/index.ts';
import type { Log } from '../../../base/observability/index.ts';
import { GgufError, readGgufMetadata } from '../providers/llama/gguf-metadata.ts';
import { alreadyThere, fileExists, giveName, makeFolder, partPath, removeParts } from './folder.ts';
import { lookAt, type RemoteModel } from './look.ts';
import { openPartFile } from './part-file.ts';
import type { RemoteTimes } from './remote.ts';
import { createSpeedometer } from './speed.ts';
import { transfer } from './transfer.ts';

/** What a pull is asked to do. */
export interface PullPayload {
  source: string;
  /** Lower-case hexadecimal. */
  sha256: string | null;
}

/** What a pull notes while it runs. */
export interface PullNote {
  fileName: string;
  sizeBytes: number;
  receivedBytes: number;
  bytesPerSecond: number | null;
}

export interface PullOptions {
  folder: string;
  hubEndpoint: string;
  times: RemoteTimes;
  /** Milliseconds before the first new attempt after a break. */
  pauseMs: number;
  /** Bytes that must stay free. */
  reserveBytes: number;
  freeBytes: (folder: string) => Promise<number>;
  /** Names of the files being fetched in this process. */
  active: Set<string>;
  clock: Clock;
  log: Log;
}

/** Milliseconds between two reports of progress. */
const reportPause = 250;

/**
 * Fetches one model: look, check, transfer, verify, name. Any step may be cut off and is done again, or gone on with,
 * by the next run. Nothing half-written ever has the final name.
 */
export async function runPull(job: Job, run: JobRun, options: PullOptions): Promise<{ fileName: string; sha256: string }> {
  const { source, sha256 } = job.payload as PullPayload;
  const { folder, active } = options;
  const model = await lookAt(source, { ...options, signal: run.signal });
  const expected = expectedChecksum(model, sha256);
  const path = join(folder, model.fileName);
  if (await fileExists(path)) throw alreadyThere(path);
  if (active.has(model.fileName)) throw new ParleyError('conflict', { message: `${model.fileName} is being fetched already.` });
  active.add(model.fileName);
  try {
    await makeFolder(folder);
    const part = partPath(folder, model.fileName, model.identity);
    await removeParts(folder, model.fileName, part);
    const found = await fill(part, model, run, options);
    await verify(part, model, found, expected, options);
    await giveName(part, path);
    options.log.info({ file: model.fileName, sizeBytes: model.sizeBytes, sha256: found }, 'Model fetched');
    return { fileName: model.fileName, sha256: found };
  } finally {
    active.delete(model.fileName);
  }
}

/** Both what the user gave and what the hub says must hold. */
function expectedChecksum(model: RemoteModel, given: string | null): string | null {
  if (given !== null && model.sha256 !== null && given !== model.sha256) {
    throw new ParleyError('conflict', { message: `The hub names the SHA-256 ${model.sha256} for ${model.fileName}, not ${given}.` });
  }
  return given ?? model.sha256;
}

/** Returns the checksum of the whole file. */
async function fill(path: string, model: RemoteModel, run: JobRun, options: PullOptions): Promise<string> {
  const part = await openPartFile(path, model.sizeBytes, run.signal);
  try {
    await checkRoom(model.sizeBytes - part.size, options);
    options.log.info({ file: model.fileName, host: model.url.host, sizeBytes: model.sizeBytes, from: part.size }, 'Fetching a model');
    const speed = createSpeedometer(options.clock);
    const report = (): Promise<void> =>
      run.report(part.size / model.sizeBytes, {
        fileName: model.fileName,
        sizeBytes: model.sizeBytes,
        receivedBytes: part.size,
        bytesPerSecond: speed.bytesPerSecond(),
      } satisfies PullNote);
    // By the clock, not by the bytes: a transfer that stands still shows it.
    const reports = setInterval(() => void report(), reportPause);
    try {
      await report();
      await transfer({ ...options, model, part, signal: run.signal, onBytes: speed.add });
    } finally {
      clearInterval(reports);
      await report();
    }
    return await part.seal();
  } finally {
    await part.close();
  }
}

async function checkRoom(neededBytes: number, { folder, freeBytes, reserveBytes }: PullOptions): Promise<void> {
  const free = await freeBytes(folder);
  if (neededBytes + reserveBytes <= free) return;
  throw new ParleyError('too_large', {
    message: `There is not enough room in the models folder: ${megabytes(neededBytes)} are needed and ${megabytes(free)} are free.`,
  });
}

/** What is wrong is removed: going on with it would never make it right. */
async function verify(part: string, model: RemoteModel, found: string, expected: string | null, { folder }: PullOptions): Promise<void> {
  if (expected !== null && found !== expected) {
    await removeParts(folder, model.fileName, null);
    throw new ParleyError('conflict', {
      message: `The checksum of ${model.fileName} is wrong: SHA-256 ${found}, expected ${expected}. It was removed.`,
    });
  }
  try {
    const { complete } = await readGgufMetadata(part);
    if (!complete) throw new GgufError('The file ends within its metadata.');
  } catch (error) {
    if (!(error instanceof GgufError)) throw error;
    await removeParts(folder, model.fileName, null);
    throw new ParleyError('unsupported_media_type', { message: `${model.fileName} is damaged: ${error.message}`, cause: error });
  }
}

function megabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.ceil(bytes / 1e6)} MB`;
}
