import { useEffect, useLayoutEffect, useRef, type RefObject } from 'react';
import type { Conversation } from './state/conversation.ts';
import type { Path } from './state/path.ts';

/** How far above the visible part older messages are fetched. */
const fetchAhead = '800px 0px 0px 0px';

/**
 * Fetches older messages when the beginning of what is loaded comes near, and keeps what is being read where it is when
 * they are put above it.
 */
export function useOlderMessages(conversation: Conversation, scroller: RefObject<HTMLElement | null>, top: RefObject<HTMLElement | null>, path: Path, isReady: boolean): void {
  const anchor = useRef<{ element: Element; top: number } | null>(null);
  useEffect(() => {
    const root = scroller.current;
    const sentinel = top.current;
    if (!root || !sentinel || !isReady) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        void conversation.loadOlder();
      },
      { root, rootMargin: fetchAhead },
    );
    observer.observe(sentinel);
    return () => observer.disconnect();
    // Observed anew after each page: when the beginning is still near, the next one is fetched.
  }, [conversation, scroller, top, isReady, path[0]]);
  useEffect(() => {
    let first = conversation.view.path[0];
    // Told before anything is drawn: what is seen first now is what must not move.
    return conversation.subscribe(() => {
      if (conversation.view.path[0] === first) return;
      first = conversation.view.path[0];
      anchor.current = firstVisible(scroller.current);
    });
  }, [conversation, scroller]);
  useLayoutEffect(() => {
    const root = scroller.current;
    const kept = anchor.current;
    anchor.current = null;
    if (root && kept?.element.isConnected) root.scrollTop += kept.element.getBoundingClientRect().top - kept.top;
  }, [scroller, path[0]]);
}

function firstVisible(root: HTMLElement | null): { element: Element; top: number } | null {
  if (!root) return null;
  const edge = root.getBoundingClientRect().top;
  for (const element of root.querySelectorAll('[data-message]')) {
    const box = element.getBoundingClientRect();
    if (box.bottom > edge) return { element, top: box.top };
  }
  return null;
}
