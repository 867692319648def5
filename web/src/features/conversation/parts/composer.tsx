import { ArrowUp, Square } from 'lucide-react';
import type { FormEvent, ReactNode, RefObject } from 'react';
import { formatCount } from '../../../shared/format.ts';
import { longestMessage, nearlyLongestMessage } from '../limits.ts';
import { GrowingTextArea } from './growing-text-area.tsx';

interface ComposerProps {
  draft: string;
  onDraft: (text: string) => void;
  onSend: (content: string) => void;
  /** Stops the answer being made; null when there is none. */
  onStop: (() => void) | null;
  isDisabled?: boolean;
  field: RefObject<HTMLTextAreaElement | null>;
  /** A line below: who will read what is sent. */
  note: ReactNode;
}

/** Where a message is written. While an answer is made, what is sent waits for its turn. */
export function Composer({ draft, onDraft, onSend, onStop, isDisabled = false, field, note }: ComposerProps) {
  const canSend = draft.trim() !== '' && draft.length <= longestMessage && !isDisabled;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (canSend) onSend(draft);
  };
  return (
    <form onSubmit={submit} className="mx-auto w-full max-w-3xl px-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-4">
      <div className="flex items-end gap-2 rounded-3xl border border-line-strong/60 bg-raised p-2 shadow-xs focus-within:border-accent focus-within:shadow-md">
        <div className="min-w-0 flex-1">
          <GrowingTextArea field={field} label="Message" placeholder="Say something…" value={draft} onChange={onDraft} onEnter={submit} autoFocus={matchMedia('(hover: hover)').matches} />
        </div>
        {onStop && (
          <button type="button" aria-label="Stop the answer" title="Stop the answer (Esc)" onClick={onStop} className="inline-flex size-9 shrink-0 items-center justify-center rounded-full border border-line bg-panel text-ink hover:border-line-strong">
            <Square aria-hidden size={14} className="fill-current" />
          </button>
        )}
        {(!onStop || draft.trim() !== '') && (
          <button type="submit" aria-label="Send" title="Send (Enter)" disabled={!canSend} className="inline-flex size-9 shrink-0 items-center justify-center rounded-full bg-accent text-on-accent transition-colors hover:bg-accent-strong disabled:bg-panel disabled:text-soft">
            <ArrowUp aria-hidden size={18} />
          </button>
        )}
      </div>
      <div className="mt-2 min-h-4">
        {draft.length > nearlyLongestMessage ? (
          <p role="status" className={`text-center text-xs ${draft.length > longestMessage ? 'text-danger' : 'text-soft'}`}>
            {formatCount(draft.length)} of {formatCount(longestMessage)} characters
          </p>
        ) : (
          note
        )}
      </div>
    </form>
  );
}
