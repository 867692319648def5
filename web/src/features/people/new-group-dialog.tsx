import { useState, type FormEvent, type ReactNode } from 'react';
import { messageOf, type Chat } from '../../shared/api/index.ts';
import { Dialog, Notice, showToast, TextField } from '../../shared/ui/index.ts';
import { createGroup, invite } from './api.ts';

interface NewGroupDialogProps {
  /** Who answers; chosen by `modelPicker`. */
  model: string | null;
  modelPicker: ReactNode;
  onMade: (chat: Chat) => void;
  onClose: () => void;
}

/** A new chat of several people. */
export function NewGroupDialog({ model, modelPicker, onMade, onClose }: NewGroupDialogProps) {
  const [kind, setKind] = useState<'GROUP' | 'CHANNEL'>('GROUP');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      const chat = await createGroup({ title: String(form.get('title')).trim(), kind, isPrivate: form.get('public') === null, model });
      await bringIn(chat, String(form.get('people')));
      onClose();
      onMade(chat);
    } catch (reason) {
      setBusy(false);
      setError(messageOf(reason));
    }
  };
  return (
    <Dialog title="New group" onClose={onClose} className="max-h-[90dvh] w-[min(30rem,calc(100vw-2rem))] overflow-y-auto rounded-2xl p-5">
      <form onSubmit={(event) => void submit(event)} className="space-y-4">
        {error && <Notice kind="error">{error}</Notice>}
        <TextField label="Name" name="title" required pattern=".*\S.*" maxLength={200} autoComplete="off" />
        <fieldset className="grid grid-cols-2 gap-2">
          <legend className="mb-1.5 text-sm font-medium">Who writes</legend>
          <Kind value="GROUP" chosen={kind} onChoose={setKind} name="Group" detail="Everybody in it." />
          <Kind value="CHANNEL" chosen={kind} onChoose={setKind} name="Channel" detail="You, admins, and whom you let." />
        </fieldset>
        <TextField label="People" name="people" hint="Usernames, with commas between them. You can bring in more later." autoCapitalize="none" autoComplete="off" spellCheck={false} />
        <div>
          <p className="mb-1.5 text-sm font-medium">Who answers</p>
          <div className="-ml-2.5">{modelPicker}</div>
        </div>
        <label className="flex items-start gap-3 text-sm">
          <input type="checkbox" name="public" className="mt-0.5 size-4 accent-(--accent)" />
          <span>
            <span className="font-medium">Everybody on this server may join</span>
            <span className="block text-soft">Otherwise only those you bring in.</span>
          </span>
        </label>
        <div className="flex justify-end gap-2">
          <button type="button" className="control control-plain" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="control control-primary" disabled={isBusy}>
            Make it
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface KindProps {
  value: 'GROUP' | 'CHANNEL';
  chosen: string;
  onChoose: (value: 'GROUP' | 'CHANNEL') => void;
  name: string;
  detail: string;
}

function Kind({ value, chosen, onChoose, name, detail }: KindProps) {
  return (
    <label className={`cursor-pointer rounded-xl border p-3 text-sm has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-offset-2 has-[:focus-visible]:outline-accent ${chosen === value ? 'border-accent bg-accent-soft' : 'border-line hover:border-line-strong'}`}>
      <input type="radio" name="kind" value={value} checked={chosen === value} onChange={() => onChoose(value)} className="sr-only" />
      <span className="block font-medium">{name}</span>
      <span className="block text-xs text-soft">{detail}</span>
    </label>
  );
}

/** Brings people in one after another. Whoever cannot be is named; the group is there all the same. */
async function bringIn(chat: Chat, typed: string): Promise<void> {
  const names = [...new Set(typed.split(/[\s,;]+/).map((name) => name.replace(/^@/, '')).filter(Boolean))];
  const failed: string[] = [];
  for (const name of names) await invite(chat.id, name).catch((reason: unknown) => failed.push(`${name}: ${messageOf(reason)}`));
  if (failed.length > 0) showToast({ text: `Not brought in: ${failed.join(' ')}`, isError: true });
}
