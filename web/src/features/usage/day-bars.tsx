import { formatCount } from '../../shared/format.ts';
import { dayName, type Day } from './days.ts';

const height = 96;
const step = 20;

/** A bar for each day of the month. Who cannot see it hears the same as a table. */
export function DayBars({ days }: { days: Day[] }) {
  const most = Math.max(1, ...days.map((day) => day.tokens));
  return (
    <figure>
      <svg viewBox={`0 0 ${days.length * step} ${height}`} preserveAspectRatio="none" className="h-28 w-full" aria-hidden>
        {days.map((day, at) => {
          const tall = day.tokens === 0 ? 1 : Math.max(3, (day.tokens / most) * height);
          return (
            <g key={day.date}>
              <title>{`${dayName(day.date)}: ${formatCount(day.tokens)} tokens, ${formatCount(day.calls)} ${day.calls === 1 ? 'call' : 'calls'}`}</title>
              <rect x={at * step} y={0} width={step} height={height} className="fill-transparent" />
              <rect x={at * step + 3} y={height - tall} width={step - 6} height={tall} rx={2} className={day.tokens === 0 ? 'fill-line' : 'fill-accent'} />
            </g>
          );
        })}
      </svg>
      <figcaption className="mt-1 flex justify-between text-xs text-soft" aria-hidden>
        <span>{dayName(days[0]!.date)}</span>
        <span>{dayName(days.at(-1)!.date)}</span>
      </figcaption>
      <table className="sr-only">
        <caption>Tokens by day</caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            <th scope="col">Tokens</th>
            <th scope="col">Calls</th>
          </tr>
        </thead>
        <tbody>
          {days
            .filter((day) => day.calls > 0)
            .map((day) => (
              <tr key={day.date}>
                <th scope="row">{dayName(day.date)}</th>
                <td>{formatCount(day.tokens)}</td>
                <td>{formatCount(day.calls)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </figure>
  );
}
