import { useQuery, useQueryClient } from '@tanstack/react-query';
import { AppWindow } from 'lucide-react';
import { useState } from 'react';
import { messageOf } from '../../shared/api/index.ts';
import { formatTime } from '../../shared/format.ts';
import { Confirm, Notice, Spinner } from '../../shared/ui/index.ts';
import { endGrant, grantsQuery, scopeNames, type Grant } from './api.ts';
import { Registered } from './registered.tsx';

/** Programs that have access to one's account; for administrators also which programs may ask. */
export function ProgramsView({ isAdmin }: { isAdmin: boolean }) {
  return (
    <div className="space-y-8">
      <Grants />
      {isAdmin && <Registered />}
    </div>
  );
}

function Grants() {
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery(grantsQuery);
  const [leaving, setLeaving] = useState<Grant | null>(null);
  return (
    <section aria-labelledby="grants">
      <h2 id="grants" className="text-lg font-semibold">
        With access to your account
      </h2>
      <p className="mb-3 mt-1 text-sm leading-relaxed text-soft">
        A program gets access when you type the code that it shows on the page <a href="/device" className="text-accent underline underline-offset-2">/device</a> and agree. You can take it away at any time.
      </p>
      {!data && !error && <Spinner label="Loading…" />}
      {!data && error && (
        <Notice kind="error">
          {messageOf(error)}{' '}
          <button type="button" className="font-medium underline" onClick={() => void refetch()}>
            Try again
          </button>
        </Notice>
      )}
      {data?.length === 0 && (
        <div className="flex flex-col items-center rounded-2xl border border-line py-8 text-center">
          <AppWindow aria-hidden size={28} strokeWidth={1.5} className="text-soft" />
          <p className="mt-2 text-sm text-soft">No program has access.</p>
        </div>
      )}
      <ul className="space-y-2">
        {data?.map((grant) => (
          <GrantRow key={grant.id} grant={grant} onEnd={() => setLeaving(grant)} />
        ))}
      </ul>
      {leaving && (
        <Confirm
          title={`Take the access of ${leaving.client_name} away?`}
          action="Take away"
          onConfirm={async () => {
            await endGrant(leaving.id);
            await queries.invalidateQueries(grantsQuery);
          }}
          onClose={() => setLeaving(null)}
        >
          <p>It is signed out at once. To come back it has to ask you again.</p>
        </Confirm>
      )}
    </section>
  );
}

function GrantRow({ grant, onEnd }: { grant: Grant; onEnd: () => void }) {
  const { client_name: name, client_id: id, scope, device_info: device, created_at: since, last_used_at: used, expires_at: until } = grant;
  const said = [device.platform, device.version, device.device_id].filter(Boolean).join(', ');
  return (
    <li aria-label={name} className="flex flex-wrap items-start gap-3 rounded-xl border border-line bg-raised px-4 py-3 sm:flex-nowrap">
      <div className="min-w-0 flex-1 [overflow-wrap:anywhere]">
        <p className="font-medium">
          {name} <span className="font-mono text-xs font-normal text-soft">{id}</span>
        </p>
        {said !== '' && <p className="text-xs text-soft">It says it runs on {said}</p>}
        <ul className="mt-1.5 list-disc pl-5 text-sm">
          {scope.map((one) => (
            <li key={one}>{scopeNames[one]}</li>
          ))}
        </ul>
        <p className="mt-1.5 text-xs text-soft">
          Since {formatTime(since)} · {used === since ? 'not used since then' : `last used ${formatTime(used)}`} · until {formatTime(until)}
        </p>
      </div>
      <button type="button" className="control control-plain shrink-0" onClick={onEnd} aria-label={`Take away the access of ${name}`}>
        Take away…
      </button>
    </li>
  );
}
