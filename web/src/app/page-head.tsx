import { useNavigate } from '@tanstack/react-router';
import { Menu, SquarePen } from 'lucide-react';
import { useEffect, type ReactNode } from 'react';
import { IconButton } from '../shared/ui/index.ts';
import { useLayout } from './layout.tsx';

interface PageHeadProps {
  /** Title of the page: in the window, and above the page unless `children` says it. */
  title: string;
  children?: ReactNode;
}

/** The line above a page; on a phone with the way to the list and to a new chat. */
export function PageHead({ title, children }: PageHeadProps) {
  const { isWide, openDrawer } = useLayout();
  const navigate = useNavigate();
  useEffect(() => {
    document.title = title === 'Parley' ? title : `${title} – Parley`;
  }, [title]);
  return (
    <header className="flex min-h-14 shrink-0 items-center gap-1 border-b border-line px-2 sm:px-4">
      {!isWide && (
        <IconButton label="Chats" onClick={openDrawer}>
          <Menu aria-hidden size={20} />
        </IconButton>
      )}
      <div className="flex min-w-0 flex-1 items-center gap-2">{children}</div>
      {!isWide && (
        <IconButton label="New chat" onClick={() => void navigate({ to: '/' })}>
          <SquarePen aria-hidden size={18} />
        </IconButton>
      )}
    </header>
  );
}
