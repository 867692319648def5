import { useEffect, useState } from 'react';
import type { AgentMessage, AgentSession } from '../types.ts';
import { usedOf } from '../words.ts';

/** Milliseconds between two looks at the clock. */
const lookMs = 20_000;

/** How much of each limit is used; folded away to one line. */
export function LimitsUsed({ session, messages }: { session: AgentSession; messages: readonly AgentMessage[] }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (session.status === 'ended') return;
    const timer = setInterval(() => setNow(Date.now()), lookMs);
    return () => clearInterval(timer);
  }, [session.status]);
  const used = usedOf(session, messages, now);
  const isOver = used.some((one) => one.used >= one.most && one.most > 0);
  return (
    <details className="group">
      <summary className={`flex min-h-8 list-none flex-wrap items-center gap-x-3 rounded-lg px-1 text-xs [&::-webkit-details-marker]:hidden ${isOver ? 'text-warn' : 'text-soft'} hover:text-ink`}>
        <span className="font-medium underline underline-offset-2">Limits</span>
        {used.map(({ name, text }) => (
          <span key={name} className="group-open:hidden">
            {name} {text}
          </span>
        ))}
      </summary>
      <ul className="grid gap-x-6 gap-y-2 px-1 pb-2 pt-1 sm:grid-cols-2">
        {used.map(({ name, used: value, most, text }) => (
          <li key={name}>
            <div className="mb-1 flex justify-between gap-3 text-xs">
              <span>{name}</span>
              <span className={value >= most && most > 0 ? 'font-medium text-warn' : 'text-soft'}>{text}</span>
            </div>
            <progress aria-label={`${name}: ${text}`} max={1} value={most === 0 ? 0 : Math.min(1, value / most)} />
          </li>
        ))}
      </ul>
    </details>
  );
}
