import { FileText, X } from 'lucide-react';
import { useId, useRef } from 'react';
import { DropZone, IconButton, Notice } from '../../shared/ui/index.ts';
import { Result } from './result.tsx';
import { useCheck, type Check, type FileKind } from './use-check.ts';

const accept = '.json,application/json';

/** Checks a sealed transcript in this browser: nothing of it is sent anywhere. */
export function ProofView() {
  const check = useCheck();
  const { files, checked, problem, canHere, askServer } = check;
  return (
    <div className="space-y-5">
      <p className="text-sm leading-relaxed text-soft">
        A transcript of two agents that was downloaded here, or that somebody sent you. It is checked in this browser, also without a network: nothing of it is sent anywhere.
      </p>
      {files.transcript ? (
        <ChosenFile kind="transcript" label="Transcript" check={check} />
      ) : (
        <DropZone label="Transcript" accept={accept} onFile={(file) => check.choose('transcript', file)} />
      )}
      <Keys check={check} />
      <details className="text-sm" open={files.witness !== null || files.against !== null || undefined}>
        <summary className="font-medium">Compare with more</summary>
        <div className="mt-3 grid gap-4 sm:grid-cols-2">
          <FilePart kind="witness" label="Noted head of the log" hint="What `parley ledger witness` wrote earlier. Shows whether the log was rewritten since." check={check} />
          <FilePart kind="against" label="Second copy" hint="The same transcript as somebody else kept it." check={check} />
        </div>
      </details>
      {problem && <Notice kind="error">{problem}</Notice>}
      {!canHere && (
        <Notice kind="warning">
          This browser cannot check signatures on this page: it has no Ed25519, or the page did not come over TLS.{' '}
          {files.keys && 'This server checks by its own keys alone, not by those in your file: use `parley verify`, or take the file of keys away.'}
          {files.transcript && askServer && (
            <button type="button" className="font-medium underline underline-offset-2" onClick={askServer}>
              Send it to this server, which checks it
            </button>
          )}
        </Notice>
      )}
      {checked && <Result checked={checked} />}
    </div>
  );
}

/** Whose keys are trusted. */
function Keys({ check }: { check: Check }) {
  const { keysFrom, keys, files } = check;
  const count = keys === null ? '' : ` (${keys.keys.length})`;
  const text = {
    server: `By the keys of this server${count}. Whoever does not trust it uses a file of keys that was noted earlier.`,
    file: `By the keys in your file${count}.`,
    none: 'The keys of this server cannot be had: choose a file of keys (`parley ledger keys` writes it).',
    loading: 'Fetching the keys of this server…',
  }[keysFrom];
  return (
    <section aria-labelledby="keys" className="rounded-xl border border-line px-4 py-3">
      <h2 id="keys" className="text-sm font-medium">
        Checked by which keys
      </h2>
      <p role="status" className={`mt-0.5 text-sm ${keysFrom === 'none' ? 'text-warn' : 'text-soft'}`}>
        {text}
      </p>
      <div className="mt-2">{files.keys ? <ChosenFile kind="keys" label="File of keys" check={check} /> : <FileButton kind="keys" label="File of keys" check={check} />}</div>
    </section>
  );
}

interface PartProps {
  kind: FileKind;
  label: string;
  check: Check;
}

function FilePart({ hint, ...part }: PartProps & { hint: string }) {
  return (
    <div>
      <p className="font-medium">{part.label}</p>
      <p className="mb-2 text-xs leading-relaxed text-soft">{hint}</p>
      {part.check.files[part.kind] ? <ChosenFile {...part} /> : <FileButton {...part} />}
    </div>
  );
}

function ChosenFile({ kind, label, check }: PartProps) {
  return (
    <div className="flex items-center gap-2.5 rounded-xl bg-panel py-1 pl-3.5 pr-1 text-sm">
      <FileText aria-hidden size={16} className="shrink-0 text-soft" />
      <span className="min-w-0 flex-1 truncate" title={check.files[kind]?.name}>
        {check.files[kind]?.name}
      </span>
      <IconButton label={`Take away: ${label}`} onClick={() => check.choose(kind, null)}>
        <X aria-hidden size={16} />
      </IconButton>
    </div>
  );
}

function FileButton({ kind, label, check }: PartProps) {
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  return (
    <>
      <button type="button" className="control control-plain" onClick={() => input.current?.click()} aria-describedby={id}>
        Choose a file…
      </button>
      <input
        ref={input}
        id={id}
        type="file"
        aria-label={label}
        tabIndex={-1}
        accept={accept}
        className="sr-only"
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = '';
          if (file) check.choose(kind, file);
        }}
      />
    </>
  );
}
