import { useMutation, useQueryClient } from '@tanstack/react-query';
import { messageOf, type Pull } from '../../shared/api/index.ts';
import { Notice } from '../../shared/ui/index.ts';
import { cancelPull, resumePull } from './api.ts';
import { isActive, progressText } from './pull-text.ts';
import { pullsQuery, usePulls } from './use-setup.ts';

/** Models on their way: how far, how fast; to be stopped, and gone on with after a break. */
export function Pulls() {
  const { data } = usePulls(true);
  if (!data || data.length === 0) return null;
  return (
    <section aria-labelledby="downloads" className="card">
      <h2 id="downloads" className="text-lg font-semibold">
        Downloads
      </h2>
      <ul className="mt-3 space-y-4">
        {data.map((pull) => (
          <PullRow key={pull.id} pull={pull} />
        ))}
      </ul>
    </section>
  );
}

function PullRow({ pull }: { pull: Pull }) {
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: () => (isActive(pull) ? cancelPull(pull.id) : resumePull(pull.id)),
    onSettled: () => queries.invalidateQueries(pullsQuery),
  });
  const name = pull.file_name ?? pull.source;
  return (
    <li>
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <span className="min-w-0 break-all font-mono text-sm">{name}</span>
        {pull.state !== 'done' && (
          <button type="button" className="control control-plain min-h-8" disabled={act.isPending} onClick={() => act.mutate()} aria-label={`${isActive(pull) ? 'Stop' : 'Go on with'} ${name}`}>
            {isActive(pull) ? 'Stop' : 'Go on'}
          </button>
        )}
      </div>
      {isActive(pull) && <progress className="mt-2" aria-label={`Download of ${name}`} max={pull.size_bytes ?? undefined} value={pull.size_bytes === null ? undefined : pull.received_bytes} />}
      <p className="mt-1 text-sm tabular-nums text-soft">{progressText(pull)}</p>
      {pull.error && <Notice kind="error" className="mt-2">{pull.error}</Notice>}
      {act.isError && <Notice kind="error" className="mt-2">{messageOf(act.error)}</Notice>}
    </li>
  );
}
