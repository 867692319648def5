import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Download } from 'lucide-react';
import { useState, type FormEvent } from 'react';
import { messageOf, type Inspection, type RecommendedModel } from '../../shared/api/index.ts';
import { formatBytes, formatCount } from '../../shared/format.ts';
import { Dialog, Notice, Spinner, TextField } from '../../shared/ui/index.ts';
import { inspectModel, pullModel } from './api.ts';
import { obstacleOf } from './pull-text.ts';
import { pullsQuery } from './use-setup.ts';

/** Models to begin with, and a field for any other. Nothing leaves the machine before one is looked at. */
export function GetModel({ recommended }: { recommended: RecommendedModel[] }) {
  const [source, setSource] = useState<string | null>(null);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const typed = String(new FormData(event.currentTarget).get('source')).trim();
    if (typed) setSource(typed);
  };
  return (
    <>
      {recommended.length > 0 && (
        <ul className="mb-5 grid gap-3 sm:grid-cols-2">
          {recommended.map((model) => (
            <li key={model.source} className="flex flex-col rounded-xl border border-line p-4">
              <h3 className="font-medium">{model.name}</h3>
              <p className="mt-1 flex-1 text-sm leading-relaxed text-soft">{model.description}</p>
              <p className="mt-2 text-xs text-soft">{[model.size_bytes === null ? null : formatBytes(model.size_bytes), model.licence].filter(Boolean).join(' · ')}</p>
              <button type="button" className="control control-plain mt-3" onClick={() => setSource(model.source)}>
                <Download aria-hidden size={16} /> Get {model.name}
              </button>
            </li>
          ))}
        </ul>
      )}
      <form onSubmit={submit} className="flex flex-wrap items-end gap-2">
        <div className="min-w-56 flex-1">
          <TextField label="Another GGUF model" name="source" placeholder="https://… or hf:owner/repository/file.gguf" spellCheck={false} autoCapitalize="none" autoComplete="off" maxLength={2000} required />
        </div>
        <button type="submit" className="control control-plain min-h-[2.7rem]">
          Look at it
        </button>
      </form>
      <p className="mt-2 text-xs text-soft">Looking at a model asks the host it is kept on for its size and licence. Until then nothing leaves this machine.</p>
      {source !== null && <InspectDialog source={source} onClose={() => setSource(null)} />}
    </>
  );
}

/** What is known of a model before it is fetched, and the question whether to. */
function InspectDialog({ source, onClose }: { source: string; onClose: () => void }) {
  const queries = useQueryClient();
  const [isAsked, setAsked] = useState(false);
  const look = useMutation({ mutationFn: () => inspectModel(source) });
  const pull = useMutation({
    mutationFn: (inspection: Inspection) => pullModel(inspection.source, inspection.sha256),
    onSuccess: async () => {
      await queries.invalidateQueries(pullsQuery);
      onClose();
    },
  });
  if (!isAsked) {
    setAsked(true);
    look.mutate();
  }
  const obstacle = look.data && obstacleOf(look.data);
  const error = look.error ?? pull.error;
  return (
    <Dialog title="Get this model?" onClose={onClose}>
      <p className="break-all font-mono text-xs text-soft">{source}</p>
      {look.isPending && <div className="mt-4"><Spinner label="Looking…" /></div>}
      {look.data && <Facts inspection={look.data} />}
      {obstacle && <Notice kind="warning" className="mt-4">{obstacle}</Notice>}
      {error && <Notice kind="error" className="mt-4">{messageOf(error)}</Notice>}
      <div className="mt-5 flex justify-end gap-2">
        <button type="button" className="control control-plain" onClick={onClose}>
          Not now
        </button>
        {look.isError && (
          <button type="button" className="control control-primary" onClick={() => look.mutate()}>
            Look again
          </button>
        )}
        {look.data && (
          <button type="button" className="control control-primary" disabled={Boolean(obstacle) || pull.isPending} onClick={() => pull.mutate(look.data)}>
            <Download aria-hidden size={16} /> Download{look.data.size_bytes === null ? '' : ` ${formatBytes(look.data.size_bytes)}`}
          </button>
        )}
      </div>
    </Dialog>
  );
}

function Facts({ inspection }: { inspection: Inspection }) {
  const facts: [string, string | null][] = [
    ['File', inspection.file_name],
    ['Size', inspection.size_bytes === null ? 'not said' : formatBytes(inspection.size_bytes)],
    ['Free space', inspection.free_bytes === null ? null : formatBytes(inspection.free_bytes)],
    ['Licence', inspection.licence ?? 'not said: read it at its source before you use it'],
    ['Kind', inspection.architecture],
    ['Context', inspection.context_length === null ? null : `${formatCount(inspection.context_length)} tokens`],
    ['Checksum', inspection.sha256 === null ? 'none to compare with' : `${inspection.sha256.slice(0, 16)}… (compared after the download)`],
  ];
  return (
    <dl className="mt-4 grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5 text-sm">
      {facts.map(([name, value]) => value !== null && (
        <div key={name} className="contents">
          <dt className="text-soft">{name}</dt>
          <dd className="break-all">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
