import { createContext } from 'react';

/**
 * Where menus are drawn: inside the open dialog, because everything outside of it is behind it and cannot be reached;
 * null for the page itself.
 */
export const OverlayHost = createContext<HTMLElement | null>(null);
