import { MessageSquare, SquarePen } from 'lucide-react';
import { useEffect, useId, useState, type KeyboardEvent } from 'react';
import { dayGroup } from '../../shared/format.ts';
import { Dialog } from '../../shared/ui/index.ts';
import { matchingChats } from './list.ts';
import { useChats } from './use-chats.ts';

/** Most chats shown at once. */
const mostShown = 30;

/** Chats among which it looks; more than anyone remembers the titles of. */
const mostSearched = 1000;

interface SwitcherProps {
  /** A chat was chosen; null means a new one. */
  onChoose: (chatId: string | null) => void;
  onClose: () => void;
}

/** Finds a chat by typing: arrows choose, Enter opens. The first entry begins a new one. */
export function Switcher({ onChoose, onClose }: SwitcherProps) {
  const { chats, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = useChats();
  const isMore = hasNextPage && !isFetchNextPageError && chats.length < mostSearched;
  useEffect(() => {
    if (isMore && !isFetchingNextPage) void fetchNextPage();
  }, [isMore, isFetchingNextPage, fetchNextPage]);
  const [typed, setTyped] = useState('');
  const [chosen, setChosen] = useState(0);
  const listId = useId();
  const found = matchingChats(chats, typed).slice(0, mostShown);
  const entries: (string | null)[] = typed.trim() === '' ? [null, ...found.map((chat) => chat.id)] : found.map((chat) => chat.id);
  const titles = new Map(chats.map((chat) => [chat.id, chat]));
  const choose = (entry: string | null): void => {
    onClose();
    onChoose(entry);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && entries[chosen] !== undefined) choose(entries[chosen]);
    else if (event.key === 'ArrowDown') setChosen(Math.min(entries.length - 1, chosen + 1));
    else if (event.key === 'ArrowUp') setChosen(Math.max(0, chosen - 1));
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Find a chat" hideTitle onClose={onClose} className="mt-[12dvh] w-[min(34rem,calc(100vw-1.5rem))] rounded-2xl">
      <input
        role="combobox"
        aria-expanded
        aria-controls={listId}
        aria-activedescendant={entries.length > 0 ? `${listId}-${chosen}` : undefined}
        aria-label="Find a chat"
        placeholder="Find a chat…"
        autoFocus
        autoComplete="off"
        className="w-full border-b border-line bg-transparent px-4 py-3.5 text-base outline-none placeholder:text-soft"
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          setChosen(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id={listId} role="listbox" aria-label="Chats" className="max-h-[50dvh] overflow-y-auto p-1.5">
        {entries.map((entry, at) => (
          <Entry key={entry ?? 'new'} id={`${listId}-${at}`} isChosen={at === chosen} onChoose={() => choose(entry)} onPoint={() => setChosen(at)} title={entry === null ? 'New chat' : titles.get(entry)!.title} when={entry === null ? null : dayGroup(titles.get(entry)!.last_activity_at, new Date())} />
        ))}
      </ul>
      {entries.length === 0 && <p className="px-4 pb-4 text-sm text-soft">No chat has these words in its title.</p>}
    </Dialog>
  );
}

interface EntryProps {
  id: string;
  title: string;
  /** When it was last active; null for a new chat. */
  when: string | null;
  isChosen: boolean;
  onChoose: () => void;
  onPoint: () => void;
}

function Entry({ id, title, when, isChosen, onChoose, onPoint }: EntryProps) {
  const Icon = when === null ? SquarePen : MessageSquare;
  return (
    <li
      id={id}
      role="option"
      aria-selected={isChosen}
      className={`flex items-center gap-3 rounded-lg px-3 py-2 text-sm ${isChosen ? 'bg-panel' : ''}`}
      ref={(element) => {
        if (isChosen) element?.scrollIntoView({ block: 'nearest' });
      }}
      onClick={onChoose}
      onMouseMove={onPoint}
    >
      <Icon aria-hidden size={16} className="shrink-0 text-soft" />
      <span className="min-w-0 flex-1 truncate">{title}</span>
      {when && <span className="shrink-0 text-xs text-soft">{when}</span>}
    </li>
  );
}
