import { X } from 'lucide-react';
import type { Attachments } from '../use-attachments.ts';

/** Pictures that go with the message being written; each can be taken out again. */
export function Attached({ attachments }: { attachments: Attachments }) {
  const { images, isBusy, error, removeAt } = attachments;
  return (
    <>
      {images.length > 0 && (
        <ul aria-label="Pictures to send" className="flex flex-wrap gap-2 px-2 pb-1 pt-1">
          {images.map((image, at) => (
            <li key={image} className="relative">
              <img src={image} alt={`Picture ${at + 1} to send`} className="size-20 rounded-xl border border-line object-cover" />
              <button
                type="button"
                aria-label={`Remove picture ${at + 1}`}
                title="Remove"
                onClick={() => removeAt(at)}
                className="absolute -right-1.5 -top-1.5 inline-flex size-6 items-center justify-center rounded-full border border-line bg-raised text-ink shadow-xs hover:bg-panel"
              >
                <X aria-hidden size={13} />
              </button>
            </li>
          ))}
        </ul>
      )}
      {isBusy && <p role="status" className="px-3 pb-1 text-xs text-soft">Reading pictures…</p>}
      {error && <p role="alert" className="px-3 pb-1 text-sm text-danger">{error}</p>}
    </>
  );
}
