import { ArrowUp, ImagePlus, Square } from 'lucide-react';
import { useRef, type ClipboardEvent, type FormEvent, type ReactNode, type RefObject } from 'react';
import { formatCount } from '../../../shared/format.ts';
import { GrowingTextArea, IconButton } from '../../../shared/ui/index.ts';
import { longestMessage, nearlyLongestMessage } from '../limits.ts';
import type { Attachments } from '../use-attachments.ts';
import { Attached } from './attached.tsx';

interface ComposerProps {
  draft: string;
  onDraft: (text: string) => void;
  attachments: Attachments;
  onSend: (content: string, images: readonly string[]) => void;
  /** Stops the answer being made; null when there is none. */
  onStop: (() => void) | null;
  isDisabled?: boolean;
  field: RefObject<HTMLTextAreaElement | null>;
  /** A line below: who will read what is sent. */
  note: ReactNode;
}

/** Where a message is written. While an answer is made, what is sent waits for its turn. */
export function Composer({ draft, onDraft, attachments, onSend, onStop, isDisabled = false, field, note }: ComposerProps) {
  const hasSomething = draft.trim() !== '' || attachments.images.length > 0;
  const canSend = hasSomething && draft.length <= longestMessage && !isDisabled && !attachments.isBusy;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (canSend) onSend(draft, attachments.images);
  };
  const paste = (event: ClipboardEvent): void => {
    const files = [...event.clipboardData.files];
    // Text copied from office programs comes with a picture of itself: the text is what is meant.
    if (files.length === 0 || event.clipboardData.types.includes('text/plain')) return;
    event.preventDefault();
    attachments.add(files);
  };
  const frame = attachments.isOver ? 'border-accent bg-accent-soft' : 'border-line-strong/60 bg-raised focus-within:border-accent';
  return (
    <form onSubmit={submit} onPaste={paste} className="mx-auto w-full max-w-3xl px-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-4">
      <div className={`rounded-3xl border p-2 shadow-xs focus-within:shadow-md ${frame}`}>
        <Attached attachments={attachments} />
        <div className="flex items-end gap-1.5">
          <PictureButton onFiles={attachments.add} isDisabled={isDisabled} />
          <div className="min-w-0 flex-1">
            <GrowingTextArea field={field} label="Message" placeholder={attachments.isOver ? 'Drop pictures anywhere…' : 'Say something…'} value={draft} onChange={onDraft} onEnter={submit} autoFocus={matchMedia('(hover: hover)').matches} />
          </div>
          {onStop && (
            <button type="button" aria-label="Stop the answer" title="Stop the answer (Esc)" onClick={onStop} className="inline-flex size-9 shrink-0 items-center justify-center rounded-full border border-line bg-panel text-ink hover:border-line-strong">
              <Square aria-hidden size={14} className="fill-current" />
            </button>
          )}
          {(!onStop || hasSomething) && (
            <button type="submit" aria-label="Send" title="Send (Enter)" disabled={!canSend} className="inline-flex size-9 shrink-0 items-center justify-center rounded-full bg-accent text-on-accent transition-colors hover:bg-accent-strong disabled:bg-panel disabled:text-soft">
              <ArrowUp aria-hidden size={18} />
            </button>
          )}
        </div>
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

function PictureButton({ onFiles, isDisabled }: { onFiles: (files: Iterable<File>) => void; isDisabled: boolean }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <IconButton label="Add pictures" className="rounded-full!" disabled={isDisabled} onClick={() => input.current?.click()}>
        <ImagePlus aria-hidden size={18} />
      </IconButton>
      <input
        ref={input}
        type="file"
        multiple
        accept="image/*"
        aria-label="Pictures"
        tabIndex={-1}
        className="sr-only"
        onChange={(event) => {
          const files = [...(event.target.files ?? [])];
          event.target.value = '';
          onFiles(files);
        }}
      />
    </>
  );
}
