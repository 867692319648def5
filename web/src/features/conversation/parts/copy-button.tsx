import { Check, Copy } from 'lucide-react';
import { IconButton, useCopied } from '../../../shared/ui/index.ts';

export function CopyButton({ text, label }: { text: string; label: string }) {
  const { isCopied, copy } = useCopied();
  return (
    <IconButton label={isCopied ? 'Copied' : label} className="size-8!" onClick={() => copy(text)}>
      {isCopied ? <Check aria-hidden size={15} /> : <Copy aria-hidden size={15} />}
    </IconButton>
  );
}
