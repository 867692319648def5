import { useState, type FormEvent, type KeyboardEvent } from 'react';
import type { Message } from '../../../shared/api/index.ts';
import { GrowingTextArea } from '../../../shared/ui/index.ts';
import { longestMessage } from '../limits.ts';
import { useActions } from '../use-actions.ts';

/** One's own message as a field. What is sent becomes another version, and is answered anew; the old one stays. */
export function EditForm({ message, onDone }: { message: Message; onDone: () => void }) {
  const actions = useActions();
  const [text, setText] = useState(message.content);
  const [isBusy, setBusy] = useState(false);
  const canSend = text.trim() !== '' && text !== message.content && text.length <= longestMessage && !isBusy;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (!canSend) return;
    setBusy(true);
    void actions.edit(message.id, text).then((done) => {
      setBusy(false);
      if (done) onDone();
    });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    onDone();
  };
  return (
    <form onSubmit={submit} className="ml-auto w-full max-w-[92%] rounded-2xl border border-line-strong bg-raised p-2">
      <GrowingTextArea label="Edit message" value={text} onChange={setText} onEnter={submit} onKeyDown={onKeyDown} autoFocus />
      <div className="mt-1 flex flex-wrap items-center justify-end gap-2">
        <p className="mr-auto px-2 text-xs text-soft">The version before stays beside this one.</p>
        <button type="button" className="control control-quiet" onClick={onDone}>
          Leave it
        </button>
        <button type="submit" className="control control-primary" disabled={!canSend}>
          Send
        </button>
      </div>
    </form>
  );
}
