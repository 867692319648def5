import type { UsageLine } from '../../shared/api/index.ts';
import { formatCount } from '../../shared/format.ts';

/** What each model was used for, the most used first. A sum that lacks calls says so. */
export function ModelsUsed({ lines }: { lines: UsageLine[] }) {
  const lacksTokens = lines.some((line) => line.calls_without_tokens > 0);
  const lacksPrice = lines.some((line) => line.calls_without_price > 0);
  return (
    <>
      <div className="overflow-x-auto">
        <table className="w-full text-sm">
          <thead>
            <tr className="border-b border-line text-left text-xs text-soft">
              <th scope="col" className="py-1.5 pr-3 font-medium">Model</th>
              <th scope="col" className="py-1.5 pr-3 text-right font-medium">Calls</th>
              <th scope="col" className="py-1.5 pr-3 text-right font-medium">Tokens in</th>
              <th scope="col" className="py-1.5 pr-3 text-right font-medium">Tokens out</th>
              <th scope="col" className="py-1.5 text-right font-medium">Cost</th>
            </tr>
          </thead>
          <tbody className="divide-y divide-line tabular-nums">
            {lines.map((line) => (
              <tr key={line.label}>
                <th scope="row" className="break-all py-2 pr-3 text-left font-mono text-xs font-normal">{line.label}</th>
                <td className="py-2 pr-3 text-right">{formatCount(line.calls)}</td>
                <td className="py-2 pr-3 text-right">{formatCount(line.tokens.input)}</td>
                <td className="py-2 pr-3 text-right">
                  {formatCount(line.tokens.output)}
                  {line.calls_without_tokens > 0 && '*'}
                </td>
                <td className="py-2 text-right">
                  {line.calls_without_price === line.calls ? 'not known' : `$${line.cost_usd.toFixed(line.cost_usd !== 0 && line.cost_usd < 0.01 ? 4 : 2)}`}
                  {line.calls_without_price > 0 && line.calls_without_price < line.calls && '*'}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {(lacksTokens || lacksPrice) && <p className="mt-2 text-xs text-soft">* Some calls were stopped or their service gives no figures; these are not in the sum.</p>}
    </>
  );
}
