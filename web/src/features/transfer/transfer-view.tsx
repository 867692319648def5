import { Download } from 'lucide-react';
import { DropZone, Notice } from '../../shared/ui/index.ts';
import type { Import } from '../../shared/api/index.ts';
import { formatCount } from '../../shared/format.ts';
import { exportAllAddress } from './api.ts';
import { ImportReport } from './import-report.tsx';
import { hasEnded, useImport, type Sending } from './use-import.ts';

/** Chats as files: out of this server, and into it. */
export function TransferView({ onImported }: { onImported: () => void }) {
  const { sending, current, send, cancel } = useImport(onImported);
  const isBusy = sending.kind === 'sending' || (current !== null && !hasEnded(current));
  return (
    <div className="space-y-8">
      <section>
        <h2 className="text-lg font-semibold">Export</h2>
        <p className="mt-1 text-sm leading-relaxed text-soft">
          All your chats with every branch, archived ones included, as one JSON file that Parley can import again. What is in the trash is left out. A single chat is exported from its menu in the list, also as Markdown.
        </p>
        <a href={exportAllAddress} download className="control control-plain mt-3">
          <Download aria-hidden size={16} /> Export everything
        </a>
      </section>
      <section>
        <h2 className="text-lg font-semibold">Import</h2>
        <p className="mb-3 mt-1 text-sm leading-relaxed text-soft">
          A file that Parley exported, or what ChatGPT sends when you ask for your data: the ZIP archive, or conversations.json from it. What is here already is not imported twice.
        </p>
        <DropZone label="File of chats" accept=".json,.zip,application/json,application/zip" isDisabled={isBusy} onFile={send} />
        <div className="mt-4">
          {sending.kind === 'failed' && <Notice kind="error">{sending.error}</Notice>}
          {isBusy && <Progress sending={sending} current={current} onCancel={cancel} />}
          {!isBusy && sending.kind === 'idle' && current && <ImportReport result={current} />}
        </div>
      </section>
    </div>
  );
}

function Progress({ sending, current, onCancel }: { sending: Sending; current: Import | null; onCancel: () => void }) {
  const isSending = sending.kind === 'sending';
  const part = isSending ? sending.part : (current?.progress ?? null);
  const text = isSending ? `Sending ${sending.name}…` : `Importing… ${formatCount(current?.imported ?? 0)} chats so far`;
  return (
    <div className="card">
      <div className="flex items-center justify-between gap-3">
        <p role="status" className="min-w-0 truncate text-sm font-medium">
          {text}
        </p>
        <button type="button" className="control control-quiet" onClick={onCancel}>
          Cancel
        </button>
      </div>
      <progress className="mt-2" aria-label={isSending ? 'Sent' : 'Imported'} max={1} {...(part === null ? {} : { value: part })} />
    </div>
  );
}
