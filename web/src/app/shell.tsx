import { Outlet, useNavigate, useParams } from '@tanstack/react-router';
import { Search, SquarePen } from 'lucide-react';
import { useEffect, useMemo, useState } from 'react';
import { ChatList, Switcher } from '../features/chats/index.ts';
import { UserMenu } from '../features/session/index.ts';
import { commandKeyName, hasCommandKey, useMediaQuery } from '../shared/browser/index.ts';
import { Dialog, IconButton, Logo } from '../shared/ui/index.ts';
import { LayoutContext, type Layout } from './layout.tsx';

/** The frame: the list of chats, beside the page or in a drawer, and the page. */
export function Shell() {
  const isWide = useMediaQuery('(min-width: 48rem)');
  const navigate = useNavigate();
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const [isSwitching, setSwitching] = useState(false);
  const layout = useMemo<Layout>(() => ({ isWide, openDrawer: () => setDrawerOpen(true) }), [isWide]);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== 'k' || !hasCommandKey(event)) return;
      event.preventDefault();
      setDrawerOpen(false);
      setSwitching((before) => !before);
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);
  const sidebar = (
    <Sidebar
      onChosen={() => setDrawerOpen(false)}
      onSwitch={() => {
        setDrawerOpen(false);
        setSwitching(true);
      }}
    />
  );
  return (
    <LayoutContext value={layout}>
      <a href="#page" className="sr-only z-50 rounded-lg bg-raised px-4 py-2 focus:not-sr-only focus:absolute focus:left-3 focus:top-3">
        Skip to the conversation
      </a>
      <div className="flex h-dvh overflow-hidden">
        {isWide && <aside className="flex w-72 shrink-0 flex-col border-r border-line bg-panel">{sidebar}</aside>}
        <main id="page" tabIndex={-1} className="relative flex min-w-0 flex-1 flex-col">
          <Outlet />
        </main>
      </div>
      {!isWide && isDrawerOpen && (
        <Dialog title="Chats" hideTitle onClose={() => setDrawerOpen(false)} className="drawer m-0! h-dvh max-h-none w-[min(20rem,85vw)] border-y-0 border-l-0 bg-panel!">
          <div className="flex h-full flex-col">{sidebar}</div>
        </Dialog>
      )}
      {isSwitching && (
        <Switcher onClose={() => setSwitching(false)} onChoose={(chatId) => void (chatId === null ? navigate({ to: '/' }) : navigate({ to: '/c/$chatId', params: { chatId } }))} />
      )}
    </LayoutContext>
  );
}

function Sidebar({ onChosen, onSwitch }: { onChosen: () => void; onSwitch: () => void }) {
  const navigate = useNavigate();
  const { chatId } = useParams({ strict: false });
  const go = (to: '/' | '/setup' | '/usage'): void => {
    onChosen();
    void navigate({ to });
  };
  return (
    <>
      <div className="flex items-center gap-2.5 px-4 pb-2 pt-4">
        <Logo />
        <span className="flex-1 text-lg font-semibold tracking-tight">Parley</span>
        <IconButton label={`Find a chat (${commandKeyName}+K)`} className="hover:bg-raised" onClick={onSwitch}>
          <Search aria-hidden size={18} />
        </IconButton>
      </div>
      <div className="px-3 pb-2 pt-1">
        <button type="button" className="control control-plain w-full justify-start" onClick={() => go('/')}>
          <SquarePen aria-hidden size={16} /> New chat
        </button>
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto px-2 pb-3">
        <ChatList openId={chatId ?? null} onChosen={onChosen} onDeletedOpen={() => go('/')} />
      </div>
      <div className="border-t border-line p-2">
        <UserMenu onOpenSetup={() => go('/setup')} onOpenUsage={() => go('/usage')} />
      </div>
    </>
  );
}
