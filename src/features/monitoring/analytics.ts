import { sql } from 'kysely';
import { ParleyError } from '../../base/errors.ts';
import type { Storage, UsageTable } from '../../base/storage/index.ts';
import { mayAdminister, type Viewer } from '../../core/accounts/index.ts';
import type { Conversations } from '../../core/conversations/index.ts';
import { latencyTrend, throughputTrend, type Half } from './trends.ts';
import type { Analytics, InferenceFigures, TimeFrame, Whose } from './types.ts';

export interface AnalyticsParts {
  storage: Pick<Storage, 'read' | 'now'>;
  conversations: Pick<Conversations, 'activity'>;
}

/** Counts what is stored: the same rows give the same figures on every instance and after every restart. */
export async function analyse({ storage, conversations }: AnalyticsParts, viewer: Viewer, frame: TimeFrame, whose: Whose): Promise<Analytics> {
  if (whose === 'all' && !mayAdminister(viewer)) throw new ParleyError('forbidden', { message: 'Only an administrator may see what everybody does.' });
  const now = await storage.now();
  const [inferences, activity] = await Promise.all([
    inferencesOf(storage, whose === 'all' ? null : viewer.userId, now, frame), conversations.activity(viewer, now - frame.ms, whose),
  ]);
  return { inferences, conversations: activity };
}

/** Calls of one model that ended alike, in one half of the window. */
interface Group {
  model: string;
  outcome: UsageTable['outcome'];
  isLate: boolean;
  count: number;
  /** Those whose time was measured, and the sum of their milliseconds. */
  timed: number;
  totalMs: number;
}

/** @param userId null for everybody */
async function inferencesOf({ read }: Pick<Storage, 'read'>, userId: string | null, now: number, frame: TimeFrame): Promise<InferenceFigures> {
  const late = sql<number>`case when usage.created_at > ${now - frame.ms / 2} then 1 else 0 end`;
  const rows = await read
    .selectFrom('usage')
    .select((select) => ['model', 'outcome', late.as('late'), select.fn.countAll<number | string>().as('count'), select.fn.count<number | string>('duration_ms').as('timed'), select.fn.sum<number | string | null>('duration_ms').as('total')])
    .where('created_at', '>', now - frame.ms)
    .$if(userId !== null, (query) => query.where('user_id', '=', userId!))
    .groupBy(['model', 'outcome', sql.ref('late')])
    .execute();
  return figuresOf(rows.map((row): Group => ({ model: row.model, outcome: row.outcome, isLate: Number(row.late) === 1, count: Number(row.count), timed: Number(row.timed), totalMs: Number(row.total ?? 0) })));
}

function figuresOf(groups: readonly Group[]): InferenceFigures {
  const sum = (of: keyof Pick<Group, 'count' | 'timed' | 'totalMs'>, fits: (group: Group) => boolean = () => true): number =>
    groups.filter(fits).reduce((total, group) => total + group[of], 0);
  const well = ({ outcome }: Group): boolean => outcome === 'DELIVERED';
  const half = (isLate: boolean): Half => {
    const fits = (group: Group): boolean => well(group) && group.isLate === isLate;
    return { count: sum('timed', fits), totalMs: sum('totalMs', fits) };
  };
  const byModel = new Map<string, number>();
  for (const { model, count } of groups) byModel.set(model, (byModel.get(model) ?? 0) + count);
  const timed = sum('timed', well);
  return {
    total: sum('count'),
    successful: sum('count', well),
    failed: sum('count', ({ outcome }) => outcome === 'FAILED' || outcome === 'INTERRUPTED'),
    cancelled: sum('count', ({ outcome }) => outcome === 'CANCELLED'),
    averageMs: timed === 0 ? null : sum('totalMs', well) / timed,
    byModel: Object.fromEntries(byModel),
    latencyTrend: latencyTrend(half(false), half(true)),
    throughputTrend: throughputTrend(sum('count', ({ isLate }) => !isLate), sum('count', ({ isLate }) => isLate)),
  };
}
