import { createContext, use } from 'react';
import type { ChatDoors } from '../features/chats/index.ts';

/** What pages need of the frame around them. */
export interface Layout {
  /** Whether the list stands beside the page; on a phone it is a drawer. */
  isWide: boolean;
  openDrawer: () => void;
  /** What can be done with any chat. */
  doors: ChatDoors;
}

export const LayoutContext = createContext<Layout | null>(null);

/** @throws outside of the frame */
export function useLayout(): Layout {
  const layout = use(LayoutContext);
  if (!layout) throw new Error('This is drawn outside of the frame.');
  return layout;
}
