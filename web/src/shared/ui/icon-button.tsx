import type { ComponentProps } from 'react';

interface IconButtonProps extends ComponentProps<'button'> {
  /** What it does: read aloud, and shown on hovering. */
  label: string;
}

/** A button that shows only a picture. */
export function IconButton({ label, className = '', children, ...rest }: IconButtonProps) {
  return (
    <button type="button" aria-label={label} title={label} className={`icon-control ${className}`} {...rest}>
      {children}
    </button>
  );
}
