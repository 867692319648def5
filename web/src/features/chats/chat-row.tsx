import { Link } from '@tanstack/react-router';
import { Hash, Pin, Users } from 'lucide-react';
import { useRef, useState, type FormEvent, type KeyboardEvent } from 'react';
import { messageOf, type Chat } from '../../shared/api/index.ts';
import { Notice } from '../../shared/ui/index.ts';
import { ChatMenu, type ChatDoors } from './chat-menu.tsx';
import type { ChatActs } from './use-acts.ts';
import { useChatChanges } from './use-chats.ts';

interface ChatRowProps extends ChatDoors {
  chat: Chat;
  isOpen: boolean;
  acts: ChatActs;
  onChosen?: () => void;
}

/** A chat of the list. With the focus on it, keys do what its menu does. */
export function ChatRow({ chat, isOpen, acts, onChosen, ...doors }: ChatRowProps) {
  const [isRenamed, setRenamed] = useState(false);
  const [isMenuOpen, setMenuOpen] = useState(false);
  if (isRenamed) return <li><RenameField chat={chat} onDone={() => setRenamed(false)} /></li>;
  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { F2: () => setRenamed(true), p: () => acts.togglePin(chat), a: () => acts.archive(chat), Delete: () => acts.trash(chat) }[event.key];
    if (!act) return;
    event.preventDefault();
    if (event.key === 'a' || event.key === 'Delete') focusNeighbour(event.currentTarget);
    act();
  };
  const Kind = { DIRECT: null, GROUP: Users, CHANNEL: Hash }[chat.chat_type];
  return (
    <li
      className={`chat-row relative flex items-center rounded-lg ${isOpen ? 'bg-raised shadow-xs' : 'hover:bg-raised/70'}`}
      onContextMenu={(event) => {
        event.preventDefault();
        setMenuOpen(true);
      }}
    >
      <Link
        to="/c/$chatId"
        params={{ chatId: chat.id }}
        data-chat-link
        aria-current={isOpen ? 'page' : undefined}
        onClick={onChosen}
        onKeyDown={onKeyDown}
        className={`chat-link flex min-w-0 flex-1 items-center gap-2 rounded-lg py-2 pl-3 text-sm ${isOpen ? 'font-medium' : ''}`}
        title={chat.title}
      >
        {Kind && <Kind aria-label={chat.chat_type === 'GROUP' ? 'Group' : 'Channel'} size={14} className="shrink-0 text-soft" />}
        <span className="truncate">{chat.title}</span>
        {chat.pinned_at && <Pin aria-hidden size={12} className="chat-pin ml-auto shrink-0 text-soft" />}
      </Link>
      <ChatMenu {...doors} chat={chat} acts={acts} onRename={() => setRenamed(true)} isOpen={isMenuOpen} onOpenChange={setMenuOpen} className="chat-more absolute right-0.5 size-8!" />
    </li>
  );
}

/** The row goes away: the keyboard goes on at the one below it, or above. */
function focusNeighbour(link: HTMLElement): void {
  const links = [...(link.closest('nav')?.querySelectorAll<HTMLElement>('[data-chat-link]') ?? [])];
  const at = links.indexOf(link);
  (links[at + 1] ?? links[at - 1])?.focus();
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
