import { queryOptions, useQuery } from '@tanstack/react-query';
import { messageOf } from '../../shared/api/index.ts';
import { formatCount } from '../../shared/format.ts';
import { Notice, Spinner } from '../../shared/ui/index.ts';
import { fetchBudgets, fetchUsage } from './api.ts';
import { Budgets } from './budgets.tsx';
import { DayBars } from './day-bars.tsx';
import { daysOfMonth } from './days.ts';
import { ModelsUsed } from './models-used.tsx';

/** Figures grow with every answer, so they are asked for whenever the page is opened. */
const usageQuery = queryOptions({
  queryKey: ['usage'],
  queryFn: async () => {
    const [days, models, budgets] = await Promise.all([fetchUsage('day'), fetchUsage('model'), fetchBudgets()]);
    return { days, models, budgets };
  },
  refetchOnMount: 'always',
});

/** What the viewer used this month, by day and by model, and the budgets that hold. */
export function UsageView() {
  const { data, isPending, error } = useQuery(usageQuery);
  if (isPending) return <Spinner label="Adding up…" />;
  if (!data) return <Notice kind="error">{messageOf(error)}</Notice>;
  const days = daysOfMonth(data.days, new Date());
  const tokens = days.reduce((sum, day) => sum + day.tokens, 0);
  const calls = days.reduce((sum, day) => sum + day.calls, 0);
  return (
    <div className="space-y-5">
      {data.budgets.length > 0 && (
        <section aria-labelledby="budgets" className="card">
          <h2 id="budgets" className="mb-3 text-lg font-semibold">
            What you may use
          </h2>
          <Budgets budgets={data.budgets} />
        </section>
      )}
      <section aria-labelledby="month" className="card">
        <h2 id="month" className="text-lg font-semibold">
          This month
        </h2>
        <p className="mb-4 mt-1 text-sm text-soft">
          {calls === 0 ? 'Nothing was used yet.' : `${formatCount(tokens)} tokens in ${formatCount(calls)} ${calls === 1 ? 'call' : 'calls'}. Days begin at midnight UTC.`}
        </p>
        {calls > 0 && <DayBars days={days} />}
      </section>
      {data.models.length > 0 && (
        <section aria-labelledby="models" className="card">
          <h2 id="models" className="mb-3 text-lg font-semibold">
            By model
          </h2>
          <ModelsUsed lines={data.models} />
        </section>
      )}
    </div>
  );
}
