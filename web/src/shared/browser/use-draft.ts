import { useCallback, useEffect, useRef, useState } from 'react';
import { browserStorage } from './storage.ts';

/** Milliseconds without typing after which a draft is kept. */
const keepAfterMs = 300;

/** What is being typed, kept in this browser for each conversation until it is sent. */
export function useDraft(name: string): [draft: string, setDraft: (text: string) => void] {
  const storageName = `draft.${name}`;
  const [draft, setDraft] = useState(() => browserStorage.read(storageName) ?? '');
  const latest = useRef(draft);
  useEffect(() => {
    const keep = (): void => browserStorage.write(storageName, latest.current === '' ? null : latest.current);
    const timer = setTimeout(keep, draft === '' ? 0 : keepAfterMs);
    addEventListener('pagehide', keep);
    return () => {
      clearTimeout(timer);
      removeEventListener('pagehide', keep);
    };
  }, [draft, storageName]);
  // Leaving for another conversation within the pause must not lose the last words.
  useEffect(() => () => browserStorage.write(storageName, latest.current === '' ? null : latest.current), [storageName]);
  const change = useCallback((text: string) => {
    latest.current = text;
    setDraft(text);
  }, []);
  return [draft, change];
}
