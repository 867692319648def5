import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Plus, Trash2 } from 'lucide-react';
import { useState, type FormEvent } from 'react';
import { messageOf } from '../../shared/api/index.ts';
import { formatTime } from '../../shared/format.ts';
import { Confirm, Dialog, IconButton, Notice, Spinner, TextField } from '../../shared/ui/index.ts';
import { addProgram, grantsQuery, programScopes, programsQuery, removeProgram, scopeNames, type Program, type ProgramScope } from './api.ts';

/** For administrators: the programs that may ask people for access. */
export function Registered() {
  const queries = useQueryClient();
  const { data, error } = useQuery(programsQuery);
  const [isAdding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState<Program | null>(null);
  return (
    <section aria-labelledby="registered">
      <div className="mb-3 flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0">
          <h2 id="registered" className="text-lg font-semibold">
            Programs that may ask
          </h2>
          <p className="mt-1 text-sm text-soft">Only these can ask anybody on this server for access. Administrators see this.</p>
        </div>
        <button type="button" className="control control-primary" onClick={() => setAdding(true)}>
          <Plus aria-hidden size={16} /> Add a program
        </button>
      </div>
      {!data && !error && <Spinner label="Loading…" />}
      {!data && error && <Notice kind="error">{messageOf(error)}</Notice>}
      {data?.length === 0 && <p className="text-sm text-soft">None yet.</p>}
      <ul className="space-y-2">
        {data?.map((program) => (
          <li key={program.client_id} aria-label={program.name} className="flex items-start gap-3 rounded-xl border border-line bg-raised px-4 py-3">
            <div className="min-w-0 flex-1 [overflow-wrap:anywhere]">
              <p className="font-medium">
                {program.name} <span className="font-mono text-xs font-normal text-soft">{program.client_id}</span>
              </p>
              <p className="text-xs text-soft">
                May ask for {program.scope.join(', ')} · since {formatTime(program.created_at)}
              </p>
            </div>
            <IconButton label={`Remove ${program.name}`} onClick={() => setLeaving(program)}>
              <Trash2 aria-hidden size={17} />
            </IconButton>
          </li>
        ))}
      </ul>
      {isAdding && <AddProgram onClose={() => setAdding(false)} />}
      {leaving && (
        <Confirm
          title={`Remove ${leaving.name}?`}
          action="Remove"
          onConfirm={async () => {
            await removeProgram(leaving.client_id);
            await Promise.all([queries.invalidateQueries(programsQuery), queries.invalidateQueries(grantsQuery)]);
          }}
          onClose={() => setLeaving(null)}
        >
          <p>It loses the access that anybody on this server has given it, at once, and cannot ask any more.</p>
        </Confirm>
      )}
    </section>
  );
}

function AddProgram({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [scopes, setScopes] = useState<readonly ProgramScope[]>(['chat']);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    addProgram({ client_id: String(form.get('id')).trim(), name: String(form.get('name')).trim(), scope: programScopes.filter((scope) => scopes.includes(scope)) })
      .then(() => queries.invalidateQueries(programsQuery))
      .then(onClose, (reason: unknown) => {
        setBusy(false);
        setError(messageOf(reason));
      });
  };
  return (
    <Dialog title="Add a program" onClose={onClose}>
      <form onSubmit={submit} className="space-y-4">
        {error && <Notice kind="error">{error}</Notice>}
        <TextField label="Name" name="name" required pattern=".*\S.*" maxLength={100} autoComplete="off" hint="People see it when they are asked." />
        <TextField label="Id" name="id" required pattern="[A-Za-z0-9._\-]{1,100}" maxLength={100} autoComplete="off" autoCapitalize="none" spellCheck={false} hint="As the program calls itself (client_id): letters, digits, dots, dashes, underscores." />
        <fieldset>
          <legend className="mb-1.5 text-sm font-medium">What it may ask for</legend>
          {programScopes.map((scope) => (
            <label key={scope} className="flex min-h-8 items-start gap-3 text-sm">
              <input
                type="checkbox"
                className="mt-0.5 size-4 accent-(--accent)"
                checked={scopes.includes(scope)}
                onChange={(event) => setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))}
              />
              <span>
                <span className="font-mono text-xs">{scope}</span> <span className="text-soft">{scopeNames[scope]}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <div className="flex justify-end gap-2">
          <button type="button" className="control control-plain" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="control control-primary" disabled={isBusy || scopes.length === 0}>
            Add
          </button>
        </div>
      </form>
    </Dialog>
  );
}
