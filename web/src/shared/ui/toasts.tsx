import { X } from 'lucide-react';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { createPortal } from 'react-dom';
import { hasCommandKey } from '../browser/index.ts';
import { topDialog, watchTopDialog } from './overlay-host.ts';

export interface Toast {
  text: string;
  /** Something went wrong: it is read aloud at once and stays until it is closed. */
  isError?: boolean;
  /** What can be done about it, `Undo` for example. */
  action?: { name: string; run: () => void };
}

interface Shown extends Toast {
  id: number;
}

/** Milliseconds that a toast stays while nobody points at it. */
const staysMs = 10_000;
/** Most toasts at once; the oldest goes first. */
const most = 3;

let shown: readonly Shown[] = [];
let count = 0;
const listeners = new Set<() => void>();

/** Says in a corner of the page what was done, for a while. */
export function showToast(toast: Toast): void {
  count += 1;
  set([...shown, { ...toast, id: count }].slice(-most));
}

function close(id: number): void {
  set(shown.filter((toast) => toast.id !== id));
}

function set(toasts: readonly Shown[]): void {
  shown = toasts;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Where toasts appear: over the page, or inside the dialog that covers it. Ctrl+Z does what the latest one offers. */
export function Toasts() {
  const toasts = useSyncExternalStore(subscribe, () => shown);
  const host = useSyncExternalStore(watchTopDialog, topDialog);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== 'z' || !hasCommandKey(event) || isTyping(event.target)) return;
      const latest = shown.findLast((toast) => toast.action);
      if (!latest) return;
      event.preventDefault();
      latest.action!.run();
      close(latest.id);
    };
    addEventListener('keydown', onKeyDown);
    return () => {
      removeEventListener('keydown', onKeyDown);
      // Whoever signs in next has nothing to undo.
      set([]);
    };
  }, []);
  return createPortal(
    <div className="pointer-events-none fixed inset-x-0 bottom-24 z-50 flex flex-col items-center gap-2 px-4">
      {toasts.map((toast) => (
        <ToastBox key={toast.id} toast={toast} />
      ))}
    </div>,
    host ?? document.body,
  );
}

function ToastBox({ toast }: { toast: Shown }) {
  const [isHeld, setHeld] = useState(false);
  useEffect(() => {
    if (isHeld || toast.isError) return;
    const timer = setTimeout(() => close(toast.id), staysMs);
    return () => clearTimeout(timer);
  }, [isHeld, toast]);
  return (
    <div
      role={toast.isError ? 'alert' : 'status'}
      className="pointer-events-auto flex max-w-full items-center gap-1 rounded-xl bg-ink py-1.5 pl-4 pr-1.5 text-sm text-ground shadow-(--shadow)"
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <span className="min-w-0 py-1 [overflow-wrap:anywhere]">{toast.text}</span>
      {toast.action && (
        <button
          type="button"
          className="ml-2 shrink-0 rounded-lg px-2.5 py-1.5 font-semibold underline underline-offset-2 hover:bg-ground/15"
          onClick={() => {
            toast.action!.run();
            close(toast.id);
          }}
        >
          {toast.action.name}
        </button>
      )}
      <button type="button" aria-label="Close" className="inline-flex size-8 shrink-0 items-center justify-center rounded-lg hover:bg-ground/15" onClick={() => close(toast.id)}>
        <X aria-hidden size={15} />
      </button>
    </div>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'));
}
