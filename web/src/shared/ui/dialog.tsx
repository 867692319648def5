import { X } from 'lucide-react';
import { useEffect, useId, useRef, useState, type ReactNode } from 'react';
import { IconButton } from './icon-button.tsx';
import { enterTopLayer, OverlayHost } from './overlay-host.ts';

interface DialogProps {
  title: string;
  /** The title is read aloud but not shown. */
  hideTitle?: boolean;
  onClose: () => void;
  className?: string;
  children: ReactNode;
}

/**
 * A window over the page, as the browser makes it: the keyboard stays inside, Escape closes it, and the focus returns
 * to where it was. It begins at the first field, or at what has `data-first-focus`. Drawn as long as it is open.
 */
export function Dialog({ title, hideTitle = false, onClose, className = 'w-[min(28rem,calc(100vw-2rem))] rounded-2xl p-5', children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [host, setHost] = useState<HTMLElement | null>(null);
  const titleId = useId();
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    element?.querySelector<HTMLElement>('[data-first-focus], input, textarea')?.focus();
    setHost(element);
    const leaveTopLayer = element && enterTopLayer(element);
    return () => {
      leaveTopLayer?.();
      element?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      className={`border border-line bg-raised text-ink shadow-(--shadow) ${className}`}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === dialog.current && isOutside(dialog.current, event)) onClose();
      }}
    >
      <div className={hideTitle ? 'sr-only' : 'mb-3 flex items-start justify-between gap-4'}>
        <h2 id={titleId} className="text-lg font-semibold">
          {title}
        </h2>
        {!hideTitle && (
          <IconButton label="Close" onClick={onClose} className="-mr-2 -mt-1">
            <X aria-hidden size={18} />
          </IconButton>
        )}
      </div>
      <OverlayHost value={host}>{children}</OverlayHost>
    </dialog>
  );
}

/** Whether the pointer is on the backdrop. */
function isOutside(element: HTMLElement, event: { clientX: number; clientY: number }): boolean {
  const box = element.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}
