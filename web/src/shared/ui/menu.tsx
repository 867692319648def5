import { DropdownMenu } from 'radix-ui';
import { use, type ComponentProps, type ReactNode } from 'react';
import { OverlayHost } from './overlay-host.ts';

interface MenuProps {
  /** The button that opens it. */
  trigger: ReactNode;
  align?: 'start' | 'center' | 'end';
  side?: 'top' | 'bottom';
  className?: string;
  /** Opened and closed by who draws it; left out, by its button alone. */
  isOpen?: boolean;
  onOpenChange?: (isOpen: boolean) => void;
  children: ReactNode;
}

/** A menu below a button: arrow keys, typing ahead, Escape. Its entries are `MenuItem`s. */
export function Menu({ trigger, align = 'end', side = 'bottom', className = '', isOpen, onOpenChange, children }: MenuProps) {
  const host = use(OverlayHost);
  // Not modal: that would lock scrolling by a style element, which the page's policy refuses.
  return (
    <DropdownMenu.Root modal={false} {...(isOpen === undefined ? {} : { open: isOpen })} {...(onOpenChange ? { onOpenChange } : {})}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal container={host}>
        <DropdownMenu.Content align={align} side={side} sideOffset={6} collisionPadding={8} className={`menu ${className}`}>
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export function MenuItem({ className = '', ...rest }: ComponentProps<typeof DropdownMenu.Item>) {
  return <DropdownMenu.Item className={`menu-item ${className}`} {...rest} />;
}

export function MenuSeparator() {
  return <DropdownMenu.Separator className="mx-1.5 my-1.5 h-px bg-line" />;
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return <DropdownMenu.Label className="px-2.5 pb-1 pt-1.5 text-xs font-medium text-soft">{children}</DropdownMenu.Label>;
}

/** One of several entries of which one is chosen. Stands inside `MenuChoices`. */
export function MenuChoice({ className = '', ...rest }: ComponentProps<typeof DropdownMenu.RadioItem>) {
  return <DropdownMenu.RadioItem className={`menu-item ${className}`} {...rest} />;
}

export const MenuChoices = DropdownMenu.RadioGroup;
export const MenuChosenMark = DropdownMenu.ItemIndicator;
