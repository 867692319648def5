import type { Budget } from '../../shared/api/index.ts';
import { formatCount, formatTime } from '../../shared/format.ts';

const kinds = ['requests', 'tokens', 'cost_usd'] as const;
const names = { requests: 'Requests', tokens: 'Tokens', cost_usd: 'Money' };

/** What the viewer may use, what is left of it, and when it starts anew. */
export function Budgets({ budgets }: { budgets: Budget[] }) {
  return (
    <ul className="space-y-5">
      {budgets.map((budget) => (
        <li key={`${budget.subject_id} ${budget.period}`}>
          <h3 className="font-medium">
            Each {budget.period}
            {budget.subject === 'key' && `, with the key ${budget.label}`}
          </h3>
          {kinds.map((kind) => (
            <Bound key={kind} budget={budget} kind={kind} />
          ))}
          <p className="mt-1.5 text-xs text-soft">
            {isUnbounded(budget) ? 'No bound.' : <>Starts anew {formatTime(budget.resets_at)}.</>}
          </p>
        </li>
      ))}
    </ul>
  );
}

function isUnbounded({ bounds }: Budget): boolean {
  return kinds.every((kind) => bounds[kind] === null);
}

function Bound({ budget, kind }: { budget: Budget; kind: (typeof kinds)[number] }) {
  const most = budget.bounds[kind];
  const left = budget.left[kind];
  if (most === null || left === null) return null;
  const label = `${names[kind]}: ${amount(kind, left)} left of ${amount(kind, most)}`;
  return (
    <div className="mt-2">
      <div className="mb-1 flex justify-between gap-3 text-sm">
        <span>{names[kind]}</span>
        <span className={left === 0 ? 'font-medium text-danger' : 'text-soft'}>{left === 0 ? 'used up' : `${amount(kind, left)} left of ${amount(kind, most)}`}</span>
      </div>
      <progress aria-label={label} value={most === 0 ? 1 : Math.min(1, (most - left) / most)} max={1} />
    </div>
  );
}

function amount(kind: (typeof kinds)[number], value: number): string {
  return kind === 'cost_usd' ? `$${value.toFixed(value !== 0 && value < 0.01 ? 4 : 2)}` : formatCount(value);
}
