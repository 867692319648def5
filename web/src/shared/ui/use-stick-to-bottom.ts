import { useCallback, useEffect, useRef, useState, type RefObject } from 'react';

/** This near to the end, in pixels, counts as being there. */
const nearPixels = 32;

export interface Stick {
  /** Whether the end is out of sight. */
  isAway: boolean;
  /** Goes to the end and stays there. */
  jump: () => void;
  /** Lets the end go: something further up is to be seen. */
  release: () => void;
}

/** Keeps the end of what grows in sight, unless its reader has scrolled up. */
export function useStickToBottom(scroller: RefObject<HTMLElement | null>, content: RefObject<HTMLElement | null>): Stick {
  const isPinned = useRef(true);
  const [isAway, setAway] = useState(false);
  const toEnd = useCallback(() => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  }, [scroller]);
  useEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (!element || !inner) return;
    let before = element.scrollTop;
    const distance = (): number => element.scrollHeight - element.scrollTop - element.clientHeight;
    const onScroll = (): void => {
      const isNear = distance() <= nearPixels;
      // Only a movement upwards is the reader's wish; what grows below moves the end away by itself.
      if (isNear) isPinned.current = true;
      else if (element.scrollTop < before - 1) isPinned.current = false;
      before = element.scrollTop;
      setAway(!isPinned.current && distance() > element.clientHeight / 3);
    };
    const observer = new ResizeObserver(() => {
      if (isPinned.current) toEnd();
      else setAway(distance() > element.clientHeight / 3);
    });
    observer.observe(inner);
    observer.observe(element);
    element.addEventListener('scroll', onScroll, { passive: true });
    toEnd();
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', onScroll);
    };
  }, [scroller, content, toEnd]);
  const jump = useCallback(() => {
    isPinned.current = true;
    setAway(false);
    toEnd();
  }, [toEnd]);
  const release = useCallback(() => {
    isPinned.current = false;
  }, []);
  return { isAway, jump, release };
}
