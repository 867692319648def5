import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import type { Llama, LlamaModel, Token } from 'node-llama-cpp';
import type { Clock } from '../../../../base/clock.ts';
import type { Log } from '../../../../base/observability/index.ts';

/**
 * How many threads make a model fastest on this machine depends on its cores, its memory and what else runs: with all
 * cores it can be many times slower than with one less, because the threads wait for each other by spinning. So it is
 * tried once for each size of model, and kept.
 */

/** What was found for models of one size on one machine. */
export interface ThreadMeasurement {
  /** Processor and cores, such as `AMD EPYC, 8 cores`. */
  machine: string;
  /** `up to 1 GB`, ... */
  size: string;
  /** The fastest number of threads. */
  threads: number;
  /** Tokens a second by number of threads. */
  tokensPerSecond: Record<string, number>;
  /** Milliseconds since the epoch. */
  measuredAt: number;
}

export interface ThreadTable {
  /** Null when this size was not measured on this machine yet. */
  find(sizeBytes: number): number | null;
  /** Failures to write are logged only: it is measured again another time. */
  keep(sizeBytes: number, tokensPerSecond: ReadonlyMap<number, number>): Promise<number>;
}

const fileName = 'llama-threads.json';
const mostRows = 200;
/** Upper ends of the sizes of models that are told apart, in bytes. */
const sizeEnds = [0.25e9, 1e9, 4e9, 16e9];
/** Milliseconds for all numbers of threads together, and for each. */
const longestMeasurement = 4000;
const longestTry = 500;
const mostTokens = 48;
const fewestTokens = 3;
/** A slower number of threads is taken when it is nearly as fast: it leaves cores to others. */
const nearlyAsFast = 0.95;

export function defaultThreads(): number {
  return Math.max(1, availableParallelism() - 1);
}

/** What was measured so far, on this machine and others that used this folder. */
export function readThreadMeasurements(folder: string): ThreadMeasurement[] {
  try {
    const rows = JSON.parse(readFileSync(join(folder, fileName), 'utf8')) as unknown;
    return Array.isArray(rows) ? rows.filter(isMeasurement).slice(0, mostRows) : [];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return [];
    throw error;
  }
}

export function createThreadTable(folder: string, clock: Clock, log: Log): ThreadTable {
  const machine = thisMachine();
  let rows: ThreadMeasurement[] = [];
  try {
    rows = readThreadMeasurements(folder);
  } catch (error) {
    log.warn({ err: error }, 'The measured numbers of threads cannot be read');
  }
  return {
    find: (sizeBytes) => rows.find((row) => row.machine === machine && row.size === sizeName(sizeBytes))?.threads ?? null,
    async keep(sizeBytes, tokensPerSecond) {
      const size = sizeName(sizeBytes);
      const threads = fastest(tokensPerSecond);
      const rates = Object.fromEntries([...tokensPerSecond].map(([count, rate]) => [String(count), Math.round(rate * 10) / 10]));
      const row: ThreadMeasurement = { machine, size, threads, tokensPerSecond: rates, measuredAt: clock.now() };
      rows = [row, ...rows.filter((other) => other.machine !== machine || other.size !== size)].slice(0, mostRows);
      try {
        await writeFile(join(folder, `${fileName}.new`), `${JSON.stringify(rows, null, 2)}\n`, { mode: 0o600 });
        await rename(join(folder, `${fileName}.new`), join(folder, fileName));
      } catch (error) {
        log.warn({ err: error }, 'The measured number of threads cannot be kept');
      }
      return threads;
    },
  };
}

/** The fewest threads that are nearly as fast as the fastest number. */
export function fastest(tokensPerSecond: ReadonlyMap<number, number>): number {
  const best = Math.max(...tokensPerSecond.values());
  return Math.min(...[...tokensPerSecond].filter(([, rate]) => rate >= best * nearlyAsFast).map(([threads]) => threads));
}

/** Numbers of threads worth a try: what is taken without a measurement, then powers of two, then all cores. */
export function threadCandidates(cores: number): number[] {
  const powers = Array.from({ length: Math.floor(Math.log2(cores)) + 1 }, (_, power) => 2 ** power);
  return [...new Set([Math.max(1, cores - 1), ...powers, cores])];
}

/**
 * Decodes a few tokens with each number of threads, for some seconds at most.
 * @returns tokens a second by number of threads; at least for the first candidate
 */
export async function measureThreads(llama: Llama, model: LlamaModel, clock: Clock): Promise<Map<number, number>> {
  const cores = availableParallelism();
  const until = clock.monotonic() + longestMeasurement;
  const found = new Map<number, number>();
  for (const threads of threadCandidates(cores)) {
    if (found.size > 0 && clock.monotonic() >= until) break;
    llama.maxThreads = threads;
    const context = await model.createContext({ sequences: 1, contextSize: 256, batchSize: 32, threads, failedCreationRemedy: false });
    try {
      const tokens = [model.tokens.bos ?? (0 as Token), ...model.tokenize('The river runs past the mill.')].slice(0, 16);
      const times: number[] = [];
      const end = clock.monotonic() + longestTry;
      let before = 0;
      const made = context.getSequence().evaluateWithMetadata(tokens, {}, { temperature: 0, yieldEogToken: true });
      for await (const _token of made) {
        const now = clock.monotonic();
        if (before > 0) times.push(now - before);
        before = now;
        if (times.length >= mostTokens || (times.length >= fewestTokens && now >= end)) break;
      }
      found.set(threads, 1000 / Math.max(0.001, median(times)));
    } finally {
      await context.dispose();
    }
  }
  return found;
}

function median(times: readonly number[]): number {
  return times.toSorted((one, other) => one - other)[Math.floor(times.length / 2)] ?? Infinity;
}

function thisMachine(): string {
  return `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores`;
}

function sizeName(sizeBytes: number): string {
  const end = sizeEnds.find((one) => sizeBytes <= one);
  return end === undefined ? `over ${sizeEnds.at(-1)! / 1e9} GB` : `up to ${end / 1e9} GB`;
}

function isMeasurement(row: unknown): row is ThreadMeasurement {
  const value = row as Partial<ThreadMeasurement> | null;
  return (
    typeof value === 'object' && value !== null && typeof value.machine === 'string' && typeof value.size === 'string' &&
    Number.isInteger(value.threads) && value.threads! > 0 && value.threads! <= 1024 &&
    typeof value.tokensPerSecond === 'object' && typeof value.measuredAt === 'number'
  );
}
