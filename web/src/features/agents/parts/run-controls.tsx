import { useQueryClient } from '@tanstack/react-query';
import { Pause, Play, Square } from 'lucide-react';
import { useId, useState } from 'react';
import { messageOf } from '../../../shared/api/index.ts';
import { Notice } from '../../../shared/ui/index.ts';
import { act, runSession, sessionQuery } from '../api.ts';
import type { AgentSession } from '../types.ts';
import { runSentence } from '../words.ts';

/** Replies of one run: what is offered, and the most there may be. */
const usualTurns = 10;
const mostTurns = 100;

interface RunControlsProps {
  session: AgentSession;
  /** What is typed and would be said first; null where it is not needed. */
  opening: string | null;
  /** The opening was said. */
  onOpened: () => void;
}

/** Lets the agents talk by themselves, so many replies; pauses and stops them. */
export function RunControls({ session, opening, onOpened }: RunControlsProps) {
  const queries = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const { run, sessionId } = session;
  const attempt = (work: () => Promise<AgentSession>): void => {
    setBusy(true);
    setError(null);
    work()
      .then((now) => queries.setQueryData(sessionQuery(sessionId).queryKey, now), (reason: unknown) => setError(messageOf(reason)))
      .finally(() => setBusy(false));
  };
  const begin = (turns: number): void =>
    attempt(async () => {
      const now = await runSession(sessionId, turns, opening);
      if (opening !== null) onOpened();
      return now;
    });
  return (
    <div>
      <div className="flex min-h-9 flex-wrap items-center gap-2 text-sm">
        {run === null || run.state === 'ended' ? (
          <Begin isBusy={isBusy} opening={opening} onBegin={begin} />
        ) : (
          <>
            <p role="status" className="mr-auto text-soft">
              {run.state === 'running' ? 'They talk by themselves' : 'Paused'}: {left(run.turnsLeft)}.
            </p>
            {run.state === 'running' ? (
              <button type="button" className="control control-plain" disabled={isBusy} onClick={() => attempt(() => act(sessionId, 'pause'))}>
                <Pause aria-hidden size={15} /> Pause
              </button>
            ) : (
              <button type="button" className="control control-primary" disabled={isBusy} onClick={() => attempt(() => runSession(sessionId, null, null))}>
                <Play aria-hidden size={15} /> Go on
              </button>
            )}
            <button type="button" className="control control-plain" disabled={isBusy} onClick={() => attempt(() => act(sessionId, 'stop'))}>
              <Square aria-hidden size={14} className="fill-current" /> Stop
            </button>
          </>
        )}
      </div>
      {run?.state === 'ended' && run.reason !== null && (
        <p role="status" className="pt-1 text-xs text-soft">
          {runSentence(run.reason)}
        </p>
      )}
      {error && <Notice kind="error" className="mt-2">{error}</Notice>}
    </div>
  );
}

/** For how many replies they talk. */
function Begin({ isBusy, opening, onBegin }: { isBusy: boolean; opening: string | null; onBegin: (turns: number) => void }) {
  const [turns, setTurns] = useState(String(usualTurns));
  const id = useId();
  const number = Number(turns);
  const isRight = Number.isInteger(number) && number >= 1 && number <= mostTurns;
  return (
    <>
      <button type="button" className="control control-primary" disabled={isBusy || !isRight || (opening !== null && opening.trim() === '')} onClick={() => onBegin(number)}>
        <Play aria-hidden size={15} /> {opening === null ? 'Let them talk' : 'Say it and let them talk'}
      </button>
      <label htmlFor={id} className="text-soft">
        for
      </label>
      <input id={id} className="field w-16! px-2! py-1! text-sm!" type="number" inputMode="numeric" min={1} max={mostTurns} value={turns} aria-label="Replies" onChange={(event) => setTurns(event.target.value)} />
      <span aria-hidden className="text-soft">
        replies
      </span>
    </>
  );
}

function left(turns: number): string {
  return `${turns} ${turns === 1 ? 'reply' : 'replies'} left`;
}
