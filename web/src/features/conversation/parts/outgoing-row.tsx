import { CloudOff } from 'lucide-react';
import { Notice } from '../../../shared/ui/index.ts';
import type { Outgoing } from '../state/outbox.ts';
import { useScope } from '../use-conversation.ts';
import { Pictures } from './pictures.tsx';

interface OutgoingRowProps {
  entry: Outgoing;
  /** Puts it back where it can be changed. */
  onTakeBack: (entry: Outgoing) => void;
}

/** A message that is not at the server yet. */
export function OutgoingRow({ entry, onTakeBack }: OutgoingRowProps) {
  const { conversation } = useScope();
  return (
    <li data-outgoing={entry.state} className="flex flex-col items-end px-1 py-3">
      {entry.images.length > 0 && <Pictures images={entry.images.map((url) => ({ url, type: 'image', bytes: null }))} />}
      {entry.content !== '' && <div className="max-w-[85%] whitespace-pre-wrap rounded-2xl rounded-br-md bg-bubble px-4 py-2.5 leading-relaxed opacity-70 [overflow-wrap:anywhere]">{entry.content}</div>}
      {entry.state === 'sending' && <p className="mt-1 text-xs text-soft">Sending…</p>}
      {entry.state === 'failed' && (
        <Notice kind={entry.isOffline ? 'warning' : 'error'} className="mt-2 max-w-[85%]">
          <p className="flex items-center gap-2">
            {entry.isOffline && <CloudOff aria-hidden size={15} />}
            {entry.isOffline ? 'Not sent. It is sent when the server is back.' : `Not sent. ${entry.error}`}
          </p>
          <div className="mt-2 flex flex-wrap gap-2">
            <button type="button" className="control control-plain min-h-8" onClick={() => conversation.retry(entry.key)}>
              Send again
            </button>
            <button
              type="button"
              className="control control-quiet min-h-8"
              onClick={() => {
                conversation.discard(entry.key);
                onTakeBack(entry);
              }}
            >
              Take back and edit
            </button>
          </div>
        </Notice>
      )}
    </li>
  );
}
