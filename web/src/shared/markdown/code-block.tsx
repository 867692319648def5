import { Check, Copy } from 'lucide-react';
import { useRef, type ReactNode } from 'react';
import { useCopied } from '../ui/use-copied.ts';

interface CodeBlockProps {
  /** As the answer names it. */
  language: string | null;
  children: ReactNode;
}

/** Code with its language and a button to copy it. */
export function CodeBlock({ language, children }: CodeBlockProps) {
  const pre = useRef<HTMLPreElement>(null);
  const { isCopied, copy } = useCopied();
  const label = language ? `Copy ${language} code` : 'Copy code';
  return (
    <div className="code-block">
      <div className="code-head">
        <span>{language ?? 'text'}</span>
        <button type="button" className="code-copy" aria-label={isCopied ? 'Copied' : label} onClick={() => copy(pre.current?.textContent ?? '')}>
          {isCopied ? <Check aria-hidden size={14} /> : <Copy aria-hidden size={14} />}
          <span aria-hidden>{isCopied ? 'Copied' : 'Copy'}</span>
        </button>
      </div>
      <pre ref={pre} tabIndex={0}>
        {children}
      </pre>
    </div>
  );
}
