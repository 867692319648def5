import type { Viewer } from '../../core/accounts/index.ts';
import type { PipelineFigures, PipelineNeeds, PipelineSettings, RunState } from './types.ts';

/** Newest runs over which percentiles are taken. */
const sample = 1000;

export async function readFigures(needs: PipelineNeeds, settings: PipelineSettings, viewer: Viewer): Promise<PipelineFigures> {
  const { read } = needs.storage;
  const [counts, durations, backends] = await Promise.all([
    read.selectFrom('pipeline_runs').select((columns) => ['state', columns.fn.countAll<number>().as('count'), columns.fn.avg<number | null>('duration_ms').as('average')]).groupBy('state').execute(),
    read.selectFrom('pipeline_runs').select('duration_ms').where('state', '=', 'done').where('duration_ms', 'is not', null).orderBy('ended_at', 'desc').limit(sample).execute(),
    backendsOf(needs, viewer),
  ]);
  const count = (state: RunState): number => Number(counts.find((row) => row.state === state)?.count ?? 0);
  const average = counts.find((row) => row.state === 'done')?.average ?? null;
  const sorted = durations.map((row) => Number(row.duration_ms)).sort((one, other) => one - other);
  return {
    running: count('running'), waiting: count('waiting'), done: count('done'), failed: count('failed'), cancelled: count('cancelled'),
    averageMs: average === null ? null : Number(average),
    percentilesMs: sorted.length === 0 ? null : { p50: percentile(sorted, 50), p95: percentile(sorted, 95), p99: percentile(sorted, 99) },
    atOnce: settings.runsAtOnce,
    mostWaiting: settings.mostWaiting,
    backends,
  };
}

/** By the nearest rank: a value that was really measured. @param sorted not empty, ascending */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!;
}

/** Where a stage of this viewer can be answered: the embedded engine with a model file, and servers of Ollama that answered when they were looked at last. */
async function backendsOf({ models }: PipelineNeeds, viewer: Viewer): Promise<PipelineFigures['backends']> {
  const listed = await models.list(viewer);
  return [
    ...(listed.some(({ provider, kinds }) => provider === 'llama' && kinds.includes('chat')) ? ['local_inference' as const] : []),
    ...(models.instances().some(({ provider, isReachable }) => provider === 'ollama' && isReachable) ? ['ollama' as const] : []),
  ];
}
