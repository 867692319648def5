import { WifiOff } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useScope, useView } from '../use-conversation.ts';

/** Says when the page has lost the server, and when it tries again. */
export function LinkLine() {
  const { conversation } = useScope();
  const link = useView((view) => view.link);
  const isLost = link.kind === 'waiting';
  const [wasLost, setWasLost] = useState(false);
  if (isLost && !wasLost) setWasLost(true);
  if (link.kind === 'live' && wasLost) setWasLost(false);
  if (!isLost && !(link.kind === 'connecting' && wasLost)) return null;
  return (
    <div role="status" className="mx-auto mb-2 flex w-fit items-center gap-3 rounded-full bg-warn-soft px-4 py-1.5 text-sm">
      <WifiOff aria-hidden size={15} className="text-warn" />
      {isLost ? <Countdown until={link.until} /> : <span>Connecting again…</span>}
      {isLost && (
        <button type="button" className="font-medium underline underline-offset-2" onClick={() => conversation.hurry()}>
          Now
        </button>
      )}
    </div>
  );
}

function Countdown({ until }: { until: number }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(1, Math.ceil((until - now) / 1000));
  return (
    <span>
      The server cannot be reached. <span aria-hidden>Trying again in {seconds} s.</span>
    </span>
  );
}
