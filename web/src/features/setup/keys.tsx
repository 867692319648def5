import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef, type FormEvent } from 'react';
import { messageOf, type Provider } from '../../shared/api/index.ts';
import { Notice, TextField } from '../../shared/ui/index.ts';
import { removeKey, saveKey } from './api.ts';
import { keysQuery, useRefreshModels } from './use-setup.ts';

/** Kinds of providers that may ask for a key, wherever they run. */
const kindsWithKeys = new Set(['openai', 'anthropic', 'google', 'cohere', 'openai-compatible']);

/** Own keys for services. Stored encrypted at the server, and never shown again. */
export function Keys({ providers }: { providers: Provider[] }) {
  const { data, isError, error } = useQuery(keysQuery);
  const services = providers.filter((provider) => kindsWithKeys.has(provider.kind)).map((provider) => provider.id);
  const names = [...new Set([...services, ...(data ?? []).map((key) => key.provider)])];
  if (isError) return <Notice kind="error">{messageOf(error)}</Notice>;
  if (names.length === 0) return <p className="text-sm text-soft">No service that takes keys is set up on this server.</p>;
  return (
    <ul className="space-y-5">
      {names.map((name) => (
        <KeyRow key={name} provider={name} hint={data?.find((key) => key.provider === name)?.hint ?? null} />
      ))}
    </ul>
  );
}

function KeyRow({ provider, hint }: { provider: string; hint: string | null }) {
  const queries = useQueryClient();
  const refreshModels = useRefreshModels();
  const form = useRef<HTMLFormElement>(null);
  const change = useMutation({
    mutationFn: (key: string | null) => (key === null ? removeKey(provider) : saveKey(provider, key)),
    onSuccess: async () => {
      form.current?.reset();
      await Promise.all([queries.invalidateQueries(keysQuery), refreshModels()]);
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const key = String(new FormData(event.currentTarget).get('key')).trim();
    if (key) change.mutate(key);
  };
  return (
    <li>
      <form ref={form} onSubmit={submit} className="flex flex-wrap items-end gap-2">
        <div className="min-w-56 flex-1">
          <TextField label={`Key for ${provider}`} name="key" type="password" autoComplete="off" spellCheck={false} maxLength={1000} placeholder={hint ? `Set: ${hint}` : 'Not set'} required />
        </div>
        <button type="submit" className="control control-plain min-h-[2.7rem]" disabled={change.isPending} aria-label={`${hint ? 'Replace' : 'Save'} the key for ${provider}`}>
          {hint ? 'Replace' : 'Save'}
        </button>
        {hint && (
          <button type="button" className="control control-quiet min-h-[2.7rem]" disabled={change.isPending} onClick={() => change.mutate(null)} aria-label={`Remove the key for ${provider}`}>
            Remove
          </button>
        )}
      </form>
      {change.isError && <Notice kind="error" className="mt-2">{messageOf(change.error)}</Notice>}
    </li>
  );
}
