import { useQuery } from '@tanstack/react-query';
import { RefreshCw } from 'lucide-react';
import { messageOf } from '../../shared/api/index.ts';
import { Notice, Spinner } from '../../shared/ui/index.ts';
import { GetModel } from './get-model.tsx';
import { Keys } from './keys.tsx';
import { Providers } from './providers.tsx';
import { Pulls } from './pulls.tsx';
import { setupQuery, useRefreshModels } from './use-setup.ts';

/** Which models there are and how to get one. Fetching models is for those who run the server. */
export function SetupView({ mayPull }: { mayPull: boolean }) {
  const { data, isPending, isError, error, isFetching } = useQuery(setupQuery);
  const refreshModels = useRefreshModels();
  if (isPending) return <Spinner label="Looking for models…" />;
  if (isError && !data) return <Notice kind="error">{messageOf(error)}</Notice>;
  return (
    <div className="space-y-5">
      <section aria-labelledby="found" className="card">
        <div className="mb-4 flex items-center justify-between gap-4">
          <h2 id="found" className="text-lg font-semibold">
            What can answer
          </h2>
          <button type="button" className="control control-quiet" onClick={() => void refreshModels()} disabled={isFetching}>
            <RefreshCw aria-hidden size={15} className={isFetching ? 'animate-spin' : ''} /> Look again
          </button>
        </div>
        <Providers providers={data.providers} usual={data.default} />
      </section>
      <section aria-labelledby="get" className="card">
        <h2 id="get" className="mb-3 text-lg font-semibold">
          Get a model for this machine
        </h2>
        {mayPull ? (
          <>
            <GetModel recommended={data.recommended} />
            {data.models_folder && (
              <p className="mt-4 text-xs text-soft">
                Or put a .gguf file into <code className="break-all font-mono">{data.models_folder}</code> and look again.
              </p>
            )}
          </>
        ) : (
          <p className="text-sm text-soft">Models are added by those who run this server.</p>
        )}
      </section>
      {mayPull && <Pulls />}
      <section aria-labelledby="keys" className="card">
        <h2 id="keys" className="text-lg font-semibold">
          Your keys for services
        </h2>
        <p className="mb-4 mt-1 text-sm text-soft">Stored encrypted on this server and used only for your own chats. A key is never shown again.</p>
        <Keys providers={data.providers} />
      </section>
    </div>
  );
}
