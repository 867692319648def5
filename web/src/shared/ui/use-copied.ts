import { useEffect, useState } from 'react';
import { copyText } from '../browser/index.ts';

/** Copies text and says so for two seconds. */
export function useCopied(): { isCopied: boolean; copy: (text: string) => void } {
  const [copies, setCopies] = useState(0);
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (copies === 0) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copies]);
  const copy = async (text: string): Promise<void> => {
    setCopied(await copyText(text));
    setCopies((count) => count + 1);
  };
  return { isCopied, copy: (text) => void copy(text) };
}
