import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Download, ExternalLink, ShieldCheck } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { messageOf } from '../../../shared/api/index.ts';
import { formatTime } from '../../../shared/format.ts';
import { Notice, Spinner } from '../../../shared/ui/index.ts';
import { anchorAgain, anchorsQuery, transcriptAddress, type Anchor, type Anchors } from '../api.ts';

const anchorNames: Record<string, string> = { log: 'This server’s log', hedera: 'Hedera Consensus Service' };
const stateNames: Record<Anchor['state'], string> = { pending: 'not yet', partial: 'in part', done: 'done', failed: 'failed' };

/** Milliseconds between two looks while a submission is under way. */
const lookMs = 3000;

/** What of a session that has ended is kept for proof: the file, where it is anchored, and trying again. */
export function TranscriptCard({ sessionId, isOwner, checkLink }: { sessionId: string; isOwner: boolean; checkLink: ReactNode }) {
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery({ ...anchorsQuery(sessionId), refetchInterval: ({ state }) => (state.data && isUnderWay(state.data) ? lookMs : false) });
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const again = (): void => {
    setBusy(true);
    setProblem(null);
    anchorAgain(sessionId)
      .then((now) => queries.setQueryData(anchorsQuery(sessionId).queryKey, now), (reason: unknown) => setProblem(messageOf(reason)))
      .finally(() => setBusy(false));
  };
  if (!data) {
    if (!error) return <Spinner label="Looking up the transcript…" />;
    return (
      <Notice kind="error">
        {messageOf(error)}{' '}
        <button type="button" className="font-medium underline" onClick={() => void refetch()}>
          Try again
        </button>
      </Notice>
    );
  }
  return (
    <section aria-labelledby="transcript" className="card">
      <h2 id="transcript" className="flex items-center gap-2 font-semibold">
        <ShieldCheck aria-hidden size={18} className={data.sealed ? 'text-accent' : 'text-soft'} />
        {data.sealed ? 'The transcript is sealed' : 'The transcript is being sealed'}
      </h2>
      <p className="mt-1 text-sm leading-relaxed text-soft">
        {data.sealed
          ? 'Every message is hashed, chained and signed. Whoever has the file can check that nothing in it was changed, without this server.'
          : 'It is chained and signed by the server, and entered in its log.'}
      </p>
      {data.anchors.length > 0 && (
        <ul className="mt-3 space-y-2 text-sm" aria-label="Where it is anchored">
          {data.anchors.map((anchor) => (
            <AnchorRow key={anchor.anchor} anchor={anchor} />
          ))}
        </ul>
      )}
      {data.nextTryAt !== null && <p className="mt-2 text-xs text-soft">The server tries again by itself, {formatTime(data.nextTryAt)}.</p>}
      {problem && <Notice kind="error" className="mt-3">{problem}</Notice>}
      <div className="mt-4 flex flex-wrap gap-2">
        <a href={transcriptAddress(sessionId)} download className="control control-primary">
          <Download aria-hidden size={16} /> Download
        </a>
        {checkLink}
        {isOwner && data.anchors.some(({ state }) => state === 'failed' || state === 'partial' || state === 'pending') && (
          <button type="button" className="control control-plain" disabled={isBusy} onClick={again}>
            {isBusy ? 'Trying…' : 'Try again'}
          </button>
        )}
      </div>
    </section>
  );
}

function isUnderWay({ sealed, anchors, nextTryAt }: Anchors): boolean {
  return !sealed || (nextTryAt !== null && anchors.some(({ state }) => state !== 'done'));
}

function AnchorRow({ anchor }: { anchor: Anchor }) {
  const { state, transactions, parts, problem, place } = anchor;
  return (
    <li className="rounded-xl bg-panel px-3.5 py-2.5">
      <p className="flex flex-wrap justify-between gap-x-3">
        <span className="font-medium">{anchorNames[anchor.anchor] ?? anchor.anchor}</span>
        <span className={state === 'done' ? 'text-accent' : state === 'failed' ? 'text-danger' : 'text-warn'}>
          {stateNames[state]}
          {parts !== null && parts > 1 && ` (${transactions.length} of ${parts} parts)`}
        </span>
      </p>
      <p className="text-xs text-soft [overflow-wrap:anywhere]">{place}</p>
      {problem !== null && <p className="mt-1 text-xs [overflow-wrap:anywhere]">{problem}</p>}
      {transactions.some(({ url }) => url !== null) && (
        <ul className="mt-1.5 flex flex-wrap gap-x-3 gap-y-1 text-xs">
          {transactions.map(({ part, transactionId, url }) => (
            <li key={part} className="min-w-0 [overflow-wrap:anywhere]">
              {url === null ? (
                transactionId
              ) : (
                <a href={url} target="_blank" rel="noreferrer noopener" className="inline-flex items-center gap-1 text-accent underline underline-offset-2" title={transactionId}>
                  {parts !== null && parts > 1 ? `Part ${part}` : 'Look at it'} <ExternalLink aria-hidden size={12} />
                </a>
              )}
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}
