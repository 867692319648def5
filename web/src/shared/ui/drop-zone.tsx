import { FileUp } from 'lucide-react';
import { useRef, useState, type DragEvent } from 'react';

interface DropZoneProps {
  /** What is wanted, for readers of the screen. */
  label: string;
  /** Which files the window for choosing shows, as in the `accept` of an input. */
  accept: string;
  isDisabled?: boolean;
  onFile: (file: File) => void;
}

/** Takes a file: chosen by its button, or dropped here. */
export function DropZone({ label, accept, isDisabled = false, onFile }: DropZoneProps) {
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer.files[0];
    if (file && !isDisabled) onFile(file);
  };
  return (
    <div
      data-drop-zone
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      className={`flex flex-col items-center rounded-2xl border-2 border-dashed px-4 py-8 text-center ${isOver && !isDisabled ? 'border-accent bg-accent-soft' : 'border-line-strong/60'}`}
    >
      <FileUp aria-hidden size={28} strokeWidth={1.5} className="text-soft" />
      <p className="mt-2 text-sm text-soft">Drop a file here, or</p>
      <button type="button" className="control control-primary mt-3" disabled={isDisabled} onClick={() => input.current?.click()}>
        Choose a file…
      </button>
      <input
        ref={input}
        type="file"
        aria-label={label}
        tabIndex={-1}
        accept={accept}
        className="sr-only"
        onChange={(event) => {
          const file = event.target.files?.[0];
          // The same file can be chosen again.
          event.target.value = '';
          if (file) onFile(file);
        }}
      />
    </div>
  );
}
