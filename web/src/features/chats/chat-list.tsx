import { Link } from '@tanstack/react-router';
import { Ellipsis, Pencil, Trash2 } from 'lucide-react';
import { useRef, useState, type FormEvent, type KeyboardEvent } from 'react';
import { messageOf, type Chat } from '../../shared/api/index.ts';
import { Confirm, IconButton, Menu, MenuItem, Notice, Spinner } from '../../shared/ui/index.ts';
import { chatsByDay } from './list.ts';
import { useChatChanges, useChats } from './use-chats.ts';

interface ChatListProps {
  /** The open chat; null when none is. */
  openId: string | null;
  /** Called when a chat was chosen: the drawer of a phone closes. */
  onChosen?: () => void;
  /** Called when the open chat was deleted. */
  onDeletedOpen: () => void;
}

/** Own chats by the day of their last message. Arrow keys walk through them. */
export function ChatList({ openId, onChosen, onDeletedOpen }: ChatListProps) {
  const { chats, isPending, isError, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useChats();
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
      {chatsByDay(chats, new Date()).map(([group, members]) => (
        <section key={group} aria-label={group} className="mb-3">
          <h3 className="px-3 pb-1 pt-2 text-xs font-medium text-soft">{group}</h3>
          <ul>
            {members.map((chat) => (
              <ChatRow key={chat.id} chat={chat} isOpen={chat.id === openId} onChosen={onChosen} onDeleted={() => chat.id === openId && onDeletedOpen()} />
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

interface ChatRowProps {
  chat: Chat;
  isOpen: boolean;
  onChosen?: () => void;
  onDeleted: () => void;
}

function ChatRow({ chat, isOpen, onChosen, onDeleted }: ChatRowProps) {
  const { remove } = useChatChanges();
  const [mode, setMode] = useState<'shown' | 'renamed' | 'deleted'>('shown');
  if (mode === 'renamed') return <li><RenameField chat={chat} onDone={() => setMode('shown')} /></li>;
  return (
    <li className={`chat-row relative flex items-center rounded-lg ${isOpen ? 'bg-raised shadow-xs' : 'hover:bg-raised/70'}`}>
      <Link
        to="/c/$chatId"
        params={{ chatId: chat.id }}
        data-chat-link
        aria-current={isOpen ? 'page' : undefined}
        onClick={onChosen}
        className={`chat-link min-w-0 flex-1 truncate rounded-lg py-2 pl-3 text-sm ${isOpen ? 'font-medium' : ''}`}
        title={chat.title}
      >
        {chat.title}
      </Link>
      <Menu
        trigger={
          <IconButton
            label={`More for ${chat.title}`}
            className="chat-more absolute right-0.5 size-8!"
          >
            <Ellipsis aria-hidden size={16} />
          </IconButton>
        }
      >
        <MenuItem onSelect={() => setMode('renamed')}>
          <Pencil aria-hidden size={15} /> Rename
        </MenuItem>
        <MenuItem className="text-danger" onSelect={() => setMode('deleted')}>
          <Trash2 aria-hidden size={15} /> Delete
        </MenuItem>
      </Menu>
      {mode === 'deleted' && (
        <Confirm title="Delete this chat?" action="Delete for good" onConfirm={() => remove(chat.id).then(onDeleted)} onClose={() => setMode('shown')}>
          <p>
            <strong className="font-medium text-ink">{chat.title}</strong> and all of its {chat.message_count === 1 ? 'message' : 'messages'}, on every branch, are removed from this
            server. An answer being written is stopped. This cannot be undone.
          </p>
        </Confirm>
      )}
    </li>
  );
}

/** The title as a field: Enter keeps it, Escape leaves it as it was. */
function RenameField({ chat, onDone }: { chat: Chat; onDone: () => void }) {
  const { change } = useChatChanges();
  const [error, setError] = useState<string | null>(null);
  const isDone = useRef(false);
  const save = (title: string): void => {
    if (isDone.current) return;
    const wanted = title.trim();
    if (wanted === '' || wanted === chat.title) return onDone();
    isDone.current = true;
    change(chat.id, { title: wanted }).then(onDone, (reason: unknown) => {
      isDone.current = false;
      setError(messageOf(reason));
    });
  };
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    save(String(new FormData(event.currentTarget).get('title')));
  };
  return (
    <form onSubmit={submit} className="p-0.5">
      <input
        name="title"
        aria-label="New title"
        defaultValue={chat.title}
        maxLength={200}
        autoFocus
        className="field py-1.5! text-sm!"
        onFocus={(event) => event.currentTarget.select()}
        onBlur={(event) => save(event.currentTarget.value)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key !== 'Escape') return;
          isDone.current = true;
          onDone();
        }}
      />
      {error && <Notice kind="error" className="mt-1">{error}</Notice>}
    </form>
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
