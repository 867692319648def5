import { Outlet, useNavigate, useParams } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { Switcher, useChatChanges, type ChatDoors, type Choice } from '../features/chats/index.ts';
import { PeopleDialog } from '../features/people/index.ts';
import { useUser } from '../features/session/index.ts';
import type { Chat } from '../shared/api/index.ts';
import { hasCommandKey, tellTabs, useMediaQuery } from '../shared/browser/index.ts';
import { Dialog, showToast, Toasts } from '../shared/ui/index.ts';
import { LayoutContext, type Layout } from './layout.tsx';
import { Sidebar } from './sidebar.tsx';

/** The frame: the list of chats, beside the page or in a drawer, and the page. */
export function Shell() {
  const isWide = useMediaQuery('(min-width: 48rem)');
  const navigate = useNavigate();
  const { chatId: openId = null } = useParams({ strict: false });
  const { id: userId } = useUser();
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const [isSwitching, setSwitching] = useState(false);
  const [peopleOf, setPeopleOf] = useState<Chat | null>(null);
  const layout = useMemo<Layout>(
    () => ({
      isWide,
      openDrawer: () => setDrawerOpen(true),
      doors: {
        userId,
        onPeople: (chat) => {
          setDrawerOpen(false);
          setPeopleOf(chat);
        },
        onExport: exportChat,
        onShow: (chatId) => void (chatId === null ? navigate({ to: '/' }) : navigate({ to: '/c/$chatId', params: { chatId } })),
      },
    }),
    [isWide, userId, navigate],
  );
  useSwitcherKey(() => {
    setDrawerOpen(false);
    setSwitching((before) => !before);
  });
  useSafeDrops();
  const choose = ({ chatId, messageId }: Choice): void => {
    if (chatId === null) void navigate({ to: '/' });
    else void navigate({ to: '/c/$chatId', params: { chatId }, search: messageId === undefined ? {} : { message: messageId } });
  };
  const sidebar = (
    <Sidebar
      openId={openId}
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
      {isSwitching && <Switcher openId={openId} onClose={() => setSwitching(false)} onChoose={choose} />}
      {peopleOf && <PeopleOf chat={peopleOf} onClose={() => setPeopleOf(null)} />}
      <Toasts />
    </LayoutContext>
  );
}

/** Who takes part in a chat, which may change while one looks. */
function PeopleOf({ chat, onClose }: { chat: Chat; onClose: () => void }) {
  const { id: userId } = useUser();
  const { take } = useChatChanges();
  const [changed, setChanged] = useState(chat);
  const onChat = (now: Chat): void => {
    setChanged(now);
    take(now);
    tellTabs('chats');
  };
  return <PeopleDialog chat={changed} userId={userId} onChat={onChat} onClose={onClose} />;
}

/** What saves files is fetched when it is wanted. */
const exportChat: ChatDoors['onExport'] = (chat, format) => {
  import('../features/transfer/index.ts').then(
    ({ saveChat }) => saveChat(chat, format),
    () => showToast({ text: 'The page could not load a part of itself. Reload it and try again.', isError: true }),
  );
};

/** Ctrl+K, or ⌘K. */
function useSwitcherKey(toggle: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== 'k' || !hasCommandKey(event)) return;
      event.preventDefault();
      toggle();
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  });
}

/** A file dropped where nothing takes it would replace the page. */
function useSafeDrops(): void {
  useEffect(() => {
    const hold = (event: DragEvent): void => {
      if (!event.defaultPrevented && event.dataTransfer?.types.includes('Files')) event.preventDefault();
    };
    addEventListener('dragover', hold);
    addEventListener('drop', hold);
    return () => {
      removeEventListener('dragover', hold);
      removeEventListener('drop', hold);
    };
  }, []);
}
