import { useEffect, useSyncExternalStore } from 'react';
import type { Options } from 'react-markdown';

type Plugins = NonNullable<Options['rehypePlugins']>;

let plugins: Plugins | null = null;
let isAsked = false;
const listeners = new Set<() => void>();

/** The highlighter, fetched when the first code is shown; null until it is there. */
export function useHighlighter(isNeeded: boolean): Plugins | null {
  useEffect(() => {
    if (isNeeded) fetchHighlighter();
  }, [isNeeded]);
  const fetched = useSyncExternalStore(subscribe, () => plugins);
  return isNeeded ? fetched : null;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function fetchHighlighter(): void {
  if (isAsked) return;
  isAsked = true;
  import('rehype-highlight').then(
    ({ default: rehypeHighlight }) => {
      plugins = [[rehypeHighlight, { plainText: ['text', 'txt', 'plain'] }]];
      for (const listener of listeners) listener();
    },
    () => {
      // Without a connection code stays without colours; the next piece of code asks again.
      isAsked = false;
    },
  );
}
