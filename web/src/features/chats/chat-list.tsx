import { useRef, type KeyboardEvent } from 'react';
import { messageOf } from '../../shared/api/index.ts';
import { Notice, Spinner } from '../../shared/ui/index.ts';
import type { ChatDoors } from './chat-menu.tsx';
import { ChatRow } from './chat-row.tsx';
import { chatsBySection } from './list.ts';
import { useChatActs } from './use-acts.ts';
import { useChats } from './use-chats.ts';

interface ChatListProps extends ChatDoors {
  /** The open chat; null when none is. */
  openId: string | null;
  /** Called when a chat was chosen: the drawer of a phone closes. */
  onChosen?: () => void;
}

/** Own chats: the pinned ones, then by the day of their last message. Arrow keys walk through them. */
export function ChatList({ openId, onChosen, ...doors }: ChatListProps) {
  const { chats, isPending, isError, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useChats();
  const acts = useChatActs({ openId, onShow: doors.onShow });
  const list = useRef<HTMLElement>(null);
  if (isPending) return <div className="p-4"><Spinner label="Loading chats…" /></div>;
  if (isError && chats.length === 0) {
    return (
      <Notice kind="error" className="m-2">
        {messageOf(error)}{' '}
        <button type="button" className="font-medium underline" onClick={() => void refetch()}>
          Try again
        </button>
      </Notice>
    );
  }
  if (chats.length === 0) return <p className="px-4 py-3 text-sm leading-relaxed text-soft">No chats yet. What you say is kept here, on this server.</p>;
  return (
    <nav ref={list} aria-label="Chats" onKeyDown={(event) => walk(event, list.current)}>
      {chatsBySection(chats, new Date()).map(([group, members]) => (
        <section key={group} aria-label={group} className="mb-3">
          <h3 className="px-3 pb-1 pt-2 text-xs font-medium text-soft">{group}</h3>
          <ul>
            {members.map((chat) => (
              <ChatRow key={chat.id} chat={chat} isOpen={chat.id === openId} acts={acts} onChosen={onChosen} {...doors} />
            ))}
          </ul>
        </section>
      ))}
      {hasNextPage && (
        <button type="button" className="control control-quiet w-full" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {isFetchingNextPage ? 'Loading…' : 'Show older chats'}
        </button>
      )}
    </nav>
  );
}

/** Moves the focus through the list by the arrow keys, Home and End. */
function walk(event: KeyboardEvent, list: HTMLElement | null): void {
  if (!['ArrowDown', 'ArrowUp', 'Home', 'End'].includes(event.key) || !(event.target instanceof HTMLElement) || !event.target.matches('[data-chat-link]')) return;
  const links = [...(list?.querySelectorAll<HTMLElement>('[data-chat-link]') ?? [])];
  const at = links.indexOf(event.target);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key] ?? at;
  links[Math.max(0, Math.min(links.length - 1, next))]?.focus();
  event.preventDefault();
}
