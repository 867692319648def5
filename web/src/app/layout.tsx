import { createContext, use } from 'react';

/** What pages need of the frame around them. */
export interface Layout {
  /** Whether the list stands beside the page; on a phone it is a drawer. */
  isWide: boolean;
  openDrawer: () => void;
}

export const LayoutContext = createContext<Layout>({ isWide: true, openDrawer: () => {} });

export function useLayout(): Layout {
  return use(LayoutContext);
}
