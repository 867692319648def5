import { asParleyError, ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { ask, prepare, requestFor, type Prepared } from './asking.ts';
import { itemsAtOnce } from './limits.ts';
import type { BatchGroup, BatchItem, BatchOptions, BatchOutcome, ItemOutcome, PipelineNeeds } from './types.ts';

/** Items that ask the same model. */
interface Group {
  prepared: Prepared;
  /** Places in the batch, with what each is told. */
  items: { at: number; input: string; prepared: Prepared }[];
}

/** As `Pipelines.batch`. @param timeoutMs milliseconds the batch may take */
export async function runBatch(needs: PipelineNeeds, timeoutMs: number, viewer: Viewer, items: readonly BatchItem[], options: BatchOptions, signal: AbortSignal): Promise<BatchOutcome> {
  const began = needs.clock.monotonic();
  const outcomes: ItemOutcome[] = [];
  const groups = await gather(needs, viewer, items, options, outcomes);
  if (groups.length === 0 && outcomes.length > 0 && outcomes.every((outcome) => 'error' in outcome && outcome.error.code === 'no_model')) throw new ParleyError('no_model');
  const stop = new AbortController();
  const abort = (): void => stop.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    stop.abort();
  }, timeoutMs);
  try {
    const byProvider = Map.groupBy(groups, ({ prepared }) => prepared.target.provider);
    // Models of one provider one after another: two of the embedded engine may not fit into memory together.
    const told = await Promise.all([...byProvider.values()].map(async (own) => {
      const figures: BatchGroup[] = [];
      for (const group of own) figures.push(await runGroup(needs, viewer, group, outcomes, stop.signal));
      return figures;
    }));
    if (signal.aborted) throw new ParleyError('cancelled');
    const late = new ParleyError('provider_timeout', { message: `The batch took longer than ${timeoutMs / 1000} seconds.` });
    const ended = outcomes.map((outcome) => (isLate && 'error' in outcome && outcome.error.code === 'cancelled' ? { error: late } : outcome));
    return { items: ended, groups: told.flat(), durationMs: Math.round(needs.clock.monotonic() - began) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

/** The items by the model that they ask. Whose model cannot be asked has failed. */
async function gather(needs: PipelineNeeds, viewer: Viewer, items: readonly BatchItem[], options: BatchOptions, outcomes: ItemOutcome[]): Promise<Group[]> {
  const names = [...new Set(items.map(({ model }) => model))];
  const found = new Map(await Promise.all(names.map(async (model) => [model, await prepare(needs, viewer, { ...options, model, system: null }).catch(asParleyError)] as const)));
  const groups = new Map<string, Group>();
  for (const [at, { model, input }] of items.entries()) {
    const prepared = found.get(model)!;
    if (prepared instanceof ParleyError) {
      outcomes[at] = { error: prepared };
      continue;
    }
    const group = groups.get(prepared.target.id) ?? { prepared, items: [] };
    groups.set(prepared.target.id, group);
    group.items.push({ at, input, prepared });
  }
  return [...groups.values()];
}

async function runGroup(needs: PipelineNeeds, viewer: Viewer, { prepared, items }: Group, outcomes: ItemOutcome[], signal: AbortSignal): Promise<BatchGroup> {
  const { target } = prepared;
  let opened: Awaited<ReturnType<PipelineNeeds['models']['openBatch']>>;
  try {
    opened = await needs.models.openBatch(target, items.map((item) => requestFor(item.prepared, item.input)), viewer, signal);
  } catch (thrown) {
    for (const { at } of items) outcomes[at] = { error: asParleyError(thrown) };
    return { model: target.id, items: items.length, atOnce: 0, engine: null };
  }
  const atOnce = Math.min(items.length, opened?.batch.places ?? itemsAtOnce);
  const left = items.values();
  // Each begins the next one as soon as one has ended: places never wait for the longest answer.
  const work = async (): Promise<void> => {
    for (const item of left) {
      outcomes[item.at] = await ask(needs, viewer, item.prepared, item.input, signal, opened ? { batch: opened.batch } : {}).then(
        ({ text, ...figures }) => ({ output: text, ...figures }),
        (thrown: unknown) => failed(needs, thrown),
      );
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, work));
    return { model: target.id, items: items.length, atOnce, engine: opened?.batch.figures() ?? null };
  } finally {
    await opened?.batch.close();
  }
}

function failed({ log }: PipelineNeeds, thrown: unknown): ItemOutcome {
  const error = asParleyError(thrown);
  if (error.code === 'internal') log.error({ err: thrown }, 'an item of a batch failed');
  return { error };
}
