import { lstat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { ParleyError } from '../../../base/errors.ts';
import { kindOf, type Job, type Jobs } from '../../../base/jobs/index.ts';
import type { Log } from '../../../base/observability/index.ts';
import { createModelFiles } from '../providers/llama/model-files.ts';
import { alreadyThere, fileExists, freeBytesIn, namesIn, removeParts } from './folder.ts';
import { lookAt } from './look.ts';
import { diskError } from './part-file.ts';
import { runPull, type PullNote, type PullOptions, type PullPayload } from './pull-job.ts';
import { recommendedModels } from './recommended.ts';
import { parseSource, shownAddress } from './sources.ts';
import type { ModelInspection, ModelPull, ModelStore, StoredModel } from './types.ts';

export interface ModelStoreOptions {
  /** The models folder; made by the first pull. */
  folder: string;
  jobs: Jobs;
  log: Log;
  clock: Clock;
  /**
   * Names the machine whose folder it is, where several servers share a database: downloads that are asked of this one
   * are done by this one, and seen by all. @default one server, or all on one folder
   */
  machine?: string | null;
  /** Where the hub is, or a mirror of it. @default 'https://huggingface.co' */
  hubEndpoint?: string;
  /** Milliseconds for the first byte of an answer. @default 30_000 */
  answerMs?: number;
  /** Milliseconds without a byte after which a transfer counts as broken. @default 30_000 */
  stallMs?: number;
  /** Milliseconds before the first new attempt after a break. @default 1000 */
  pauseMs?: number;
  /** Bytes that a pull leaves free on the disk. @default 64 MiB */
  reserveBytes?: number;
  /** Bytes free in a folder. @default what the file system says */
  freeBytes?: (folder: string) => Promise<number>;
}

const anyKind = 'model-pull';
/** Pulls at the same time. */
const concurrency = 2;
const mostListed = 100;

/** Registers the handler of its jobs, so it is made before the jobs start. */
export function createModelStore(options: ModelStoreOptions): ModelStore {
  return new FolderStore(options);
}

class FolderStore implements ModelStore {
  readonly folder: string;
  readonly recommended = recommendedModels;
  readonly #jobs: Jobs;
  readonly #log: Log;
  readonly #pull: PullOptions;
  readonly #kind: string;

  constructor(options: ModelStoreOptions) {
    this.folder = options.folder;
    this.#jobs = options.jobs;
    this.#log = options.log;
    this.#pull = {
      folder: options.folder,
      hubEndpoint: (options.hubEndpoint ?? 'https://huggingface.co').replace(/\/+$/, ''),
      times: { answerMs: options.answerMs ?? 30_000, stallMs: options.stallMs ?? 30_000 },
      pauseMs: options.pauseMs ?? 1000,
      reserveBytes: options.reserveBytes ?? 64 << 20,
      freeBytes: options.freeBytes ?? freeBytesIn,
      active: new Set(),
      clock: options.clock,
      log: options.log,
    };
    this.#kind = options.machine ? `${anyKind}@${options.machine}` : anyKind;
    options.jobs.register(this.#kind, (job, run) => runPull(job, run, this.#pull), concurrency);
  }

  async inspect(source: string, signal: AbortSignal = new AbortController().signal): Promise<ModelInspection> {
    const model = await lookAt(source, { ...this.#pull, signal });
    const freeBytes = await this.#pull.freeBytes(this.folder);
    return {
      source,
      url: shownAddress(model.url),
      fileName: model.fileName,
      sizeBytes: model.sizeBytes,
      licence: model.licence,
      architecture: model.architecture,
      contextLength: model.contextLength,
      sha256: model.sha256,
      freeBytes,
      fits: model.sizeBytes + this.#pull.reserveBytes <= freeBytes,
    };
  }

  async pull(source: string, { sha256, userId }: { sha256?: string | null; userId: string | null }): Promise<ModelPull> {
    const parsed = parseSource(source);
    if (parsed.kind !== 'hub-quantisation') {
      const path = join(this.folder, parsed.fileName);
      if (await fileExists(path)) throw alreadyThere(path);
    }
    const payload: PullPayload = { source: source.trim(), sha256: cleanChecksum(sha256) };
    const running = await this.#jobs.list({ kind: this.#kind, states: ['waiting', 'running'] }, mostListed);
    if (running.some((job) => (job.payload as PullPayload).source === payload.source)) {
      throw new ParleyError('conflict', { message: 'This model is being fetched already.' });
    }
    const id = await this.#jobs.enqueue({ kind: this.#kind, userId, payload });
    return this.pullState(id!);
  }

  async pulls(): Promise<ModelPull[]> {
    return (await this.#jobs.list({ kindOnAnyMachine: anyKind }, mostListed)).map(toPull);
  }

  async pullState(id: string): Promise<ModelPull> {
    return toPull(await this.#job(id));
  }

  async cancel(id: string): Promise<ModelPull> {
    await this.#job(id);
    return toPull((await this.#jobs.cancel(id))!);
  }

  async resume(id: string): Promise<ModelPull> {
    await this.#job(id);
    return toPull((await this.#jobs.retry(id))!);
  }

  async wait(id: string, signal?: AbortSignal): Promise<ModelPull> {
    await this.#job(id);
    return toPull(await this.#jobs.wait(id, signal));
  }

  async list(): Promise<StoredModel[]> {
    const known = new Map((await createModelFiles(this.folder, this.#log).list()).map((file) => [file.path, file]));
    const stored: StoredModel[] = [];
    for (const fileName of (await namesIn(this.folder)).filter((name) => /\.gguf$/i.test(name)).sort()) {
      const path = join(this.folder, fileName);
      const found = await lstat(path).catch(() => null);
      if (found === null || found.isDirectory()) continue;
      const model = known.get(path);
      stored.push({
        fileName,
        sizeBytes: model?.sizeBytes ?? found.size,
        modifiedAt: Math.floor(found.mtimeMs),
        label: model?.label ?? fileName,
        licence: model?.licence ?? null,
        usable: model !== undefined,
      });
    }
    return stored;
  }

  async remove(fileName: string): Promise<void> {
    const absent = new ParleyError('not_found', { message: 'There is no such file in the models folder.' });
    if (!isFileName(fileName)) throw absent;
    if (this.#pull.active.has(fileName)) throw new ParleyError('conflict', { message: `${fileName} is being fetched. Cancel that first.` });
    const path = join(this.folder, fileName);
    const found = await lstat(path).catch(() => null);
    const hasParts = (await namesIn(this.folder)).some((name) => name.startsWith(`.${fileName}.`));
    if ((found === null || found.isDirectory()) && !hasParts) throw absent;
    await removeParts(this.folder, fileName, null);
    if (found === null) return;
    await unlink(path).catch((error: unknown) => {
      throw diskError(error);
    });
    this.#log.info({ file: fileName }, 'Model removed');
  }

  /** Jobs of other kinds are none of this part's business. */
  async #job(id: string): Promise<Job> {
    const job = await this.#jobs.get(id);
    if (job && kindOf(job.kind) === anyKind) return job;
    throw new ParleyError('not_found', { message: 'There is no such download.' });
  }
}

/** Files that a person put there may have names a pull would not give, but never ones that lead elsewhere. */
function isFileName(name: string): boolean {
  return /^[^/\\\0]+\.gguf$/i.test(name) && !name.startsWith('.');
}

/** @throws {ParleyError} `invalid_request` */
function cleanChecksum(given: string | null | undefined): string | null {
  if (given === null || given === undefined || given === '') return null;
  const clean = given.trim().toLowerCase();
  if (/^[0-9a-f]{64}$/.test(clean)) return clean;
  throw new ParleyError('invalid_request', { message: 'A SHA-256 has 64 hexadecimal digits.', parameter: 'sha256' });
}

function toPull(job: Job): ModelPull {
  const { source } = job.payload as PullPayload;
  const note = job.note as PullNote | null;
  return {
    id: job.id,
    source,
    fileName: note?.fileName ?? plannedName(source),
    state: job.state,
    receivedBytes: note?.receivedBytes ?? 0,
    sizeBytes: note?.sizeBytes ?? null,
    bytesPerSecond: job.state === 'running' ? (note?.bytesPerSecond ?? null) : null,
    error: job.state === 'done' ? null : job.error,
    createdAt: job.createdAt,
    endedAt: job.endedAt,
  };
}

function plannedName(source: string): string | null {
  const parsed = parseSource(source);
  return parsed.kind === 'hub-quantisation' ? null : parsed.fileName;
}
