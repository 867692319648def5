import { CircleAlert, Info, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';

const kinds = {
  error: { icon: CircleAlert, colours: 'bg-danger-soft text-danger' },
  warning: { icon: TriangleAlert, colours: 'bg-warn-soft text-warn' },
  info: { icon: Info, colours: 'bg-panel text-soft' },
};

interface NoticeProps {
  kind: keyof typeof kinds;
  className?: string;
  children: ReactNode;
}

/** A line that explains something beside what it is about; errors are read aloud at once. */
export function Notice({ kind, className = '', children }: NoticeProps) {
  const { icon: Icon, colours } = kinds[kind];
  return (
    <div role={kind === 'error' ? 'alert' : 'note'} className={`flex gap-2.5 rounded-xl px-3.5 py-2.5 text-sm leading-relaxed ${colours} ${className}`}>
      <Icon aria-hidden size={17} className="mt-0.5 shrink-0" />
      <div className="min-w-0 flex-1 text-ink">{children}</div>
    </div>
  );
}
