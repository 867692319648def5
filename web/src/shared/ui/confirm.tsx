import { useState, type ReactNode } from 'react';
import { messageOf } from '../api/index.ts';
import { Dialog } from './dialog.tsx';
import { Notice } from './notice.tsx';

interface ConfirmProps {
  title: string;
  /** What will happen, and whether it can be undone. */
  children: ReactNode;
  /** What the button does, as a verb. */
  action: string;
  /** What the other button says. @default 'Keep it' */
  keep?: string;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something is lost. Says so when it fails, and stays open. */
export function Confirm({ title, children, action, keep = 'Keep it', onConfirm, onClose }: ConfirmProps) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const confirm = (): void => {
    setBusy(true);
    setError(null);
    onConfirm().then(onClose, (reason: unknown) => {
      setBusy(false);
      setError(messageOf(reason));
    });
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <div className="text-sm leading-relaxed text-soft">{children}</div>
      {error && <Notice kind="error" className="mt-3">{error}</Notice>}
      <div className="mt-5 flex justify-end gap-2">
        <button type="button" className="control control-plain" onClick={onClose} data-first-focus>
          {keep}
        </button>
        <button type="button" className="control control-danger" onClick={confirm} disabled={isBusy}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}
