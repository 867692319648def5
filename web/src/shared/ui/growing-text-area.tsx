import { useLayoutEffect, useRef, type FormEvent, type KeyboardEvent, type RefObject } from 'react';

interface GrowingTextAreaProps {
  label: string;
  value: string;
  onChange: (text: string) => void;
  /** Enter without Shift, on machines with a keyboard; on a phone Enter makes a new line. */
  onEnter: (event: FormEvent) => void;
  onKeyDown?: (event: KeyboardEvent) => void;
  placeholder?: string;
  autoFocus?: boolean;
  field?: RefObject<HTMLTextAreaElement | null>;
}

/** A field that is as high as what is in it, up to a part of the window. */
export function GrowingTextArea({ label, value, onChange, onEnter, onKeyDown, placeholder, autoFocus, field }: GrowingTextAreaProps) {
  const own = useRef<HTMLTextAreaElement>(null);
  const area = field ?? own;
  useLayoutEffect(() => {
    const element = area.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${element.scrollHeight}px`;
  }, [area, value]);
  return (
    <textarea
      ref={area}
      rows={1}
      aria-label={label}
      placeholder={placeholder}
      autoFocus={autoFocus}
      value={value}
      className="block max-h-[40dvh] w-full resize-none overflow-y-auto bg-transparent px-2 py-1.5 text-base leading-relaxed outline-none placeholder:text-soft"
      onChange={(event) => onChange(event.target.value)}
      onKeyDown={(event) => {
        onKeyDown?.(event);
        // While a word is being composed (Japanese, Chinese, ...), Enter belongs to that.
        if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || event.defaultPrevented) return;
        if (matchMedia('(hover: none) and (pointer: coarse)').matches) return;
        event.preventDefault();
        onEnter(event);
      }}
    />
  );
}
