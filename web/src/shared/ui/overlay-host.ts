import { createContext } from 'react';

/**
 * Where menus are drawn: inside the open dialog, because everything outside of it is behind it and cannot be reached;
 * null for the page itself.
 */
export const OverlayHost = createContext<HTMLElement | null>(null);

let dialogs: readonly HTMLElement[] = [];
const listeners = new Set<() => void>();

/** Says that a dialog is open over everything else. Returns what ends that. */
export function enterTopLayer(dialog: HTMLElement): () => void {
  set([...dialogs, dialog]);
  return () => set(dialogs.filter((open) => open !== dialog));
}

/** The dialog over everything else; null when none is open. */
export function topDialog(): HTMLElement | null {
  return dialogs.at(-1) ?? null;
}

export function watchTopDialog(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function set(open: readonly HTMLElement[]): void {
  dialogs = open;
  for (const listener of listeners) listener();
}
