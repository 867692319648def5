import { Bot, LoaderCircle, MessageSquare, Search, SquarePen, User } from 'lucide-react';
import { useEffect, useId, useState, type KeyboardEvent, type ReactNode } from 'react';
import { messageOf, type Chat, type SearchHit } from '../../shared/api/index.ts';
import { dayGroup, formatTime } from '../../shared/format.ts';
import { Dialog, Notice } from '../../shared/ui/index.ts';
import { Highlighted } from './highlighted.tsx';
import { matchingChats } from './list.ts';
import { useChats } from './use-chats.ts';
import { longestSearch, useMessageSearch } from './use-search.ts';

/** Most chats shown at once, while nothing and while something is typed. */
const mostShown = 30;
const mostFound = 6;

/** Chats among which it looks; more than anyone remembers the titles of. */
const mostSearched = 1000;

export interface Choice {
  /** Null begins a new chat. */
  chatId: string | null;
  /** A message of it to be shown. */
  messageId?: string;
}

interface SwitcherProps {
  /** The chat on the page, to which a search can be narrowed; null when none is. */
  openId: string | null;
  onChoose: (choice: Choice) => void;
  onClose: () => void;
}

type Entry = { kind: 'new' } | { kind: 'chat'; chat: Pick<Chat, 'id' | 'title' | 'last_activity_at'> } | { kind: 'message'; hit: SearchHit } | { kind: 'more'; text: string };

/** Finds chats by their titles, and what was said in any of them: arrows choose, Enter opens. The first entry begins a new chat. */
export function Switcher({ openId, onChoose, onClose }: SwitcherProps) {
  const [typed, setTyped] = useState('');
  const [isNarrow, setNarrow] = useState(false);
  const [chosen, setChosen] = useState(0);
  const chats = useAllChats();
  const search = useMessageSearch(typed, isNarrow ? openId : null);
  const listId = useId();
  const entries = entriesOf(typed, isNarrow ? [] : chats, search);
  const choose = (entry: Entry): void => {
    if (entry.kind === 'more') return search.more();
    onClose();
    if (entry.kind === 'new') onChoose({ chatId: null });
    else if (entry.kind === 'chat') onChoose({ chatId: entry.chat.id });
    else onChoose({ chatId: entry.hit.chat_id, ...(entry.hit.message_id === null ? {} : { messageId: entry.hit.message_id }) });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = Math.min(chosen, entries.length - 1);
    if (event.key === 'Enter' && entries[at]) choose(entries[at]);
    else if (event.key === 'ArrowDown') setChosen(Math.min(entries.length - 1, at + 1));
    else if (event.key === 'ArrowUp') setChosen(Math.max(0, at - 1));
    else return;
    event.preventDefault();
  };
  const at = Math.max(0, Math.min(chosen, entries.length - 1));
  return (
    <Dialog title="Find a chat or a message" hideTitle onClose={onClose} className="mt-[8dvh] w-[min(40rem,calc(100vw-1.5rem))] rounded-2xl">
      <div className="flex items-center gap-2 border-b border-line pl-4 pr-2">
        {search.isSearching ? <LoaderCircle aria-hidden size={17} className="shrink-0 animate-spin text-soft" /> : <Search aria-hidden size={17} className="shrink-0 text-soft" />}
        <input
          role="combobox"
          aria-expanded
          aria-controls={listId}
          aria-activedescendant={entries.length > 0 ? `${listId}-${at}` : undefined}
          aria-label="Find a chat or a message"
          placeholder="Find a chat or a message…"
          autoFocus
          autoComplete="off"
          maxLength={longestSearch}
          className="min-w-0 flex-1 bg-transparent py-3.5 text-base outline-none placeholder:text-soft"
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
            setChosen(0);
          }}
          onKeyDown={onKeyDown}
        />
        {openId !== null && (
          <button type="button" aria-pressed={isNarrow} onClick={() => setNarrow(!isNarrow)} className={`shrink-0 rounded-full border px-3 py-1 text-xs font-medium ${isNarrow ? 'border-accent bg-accent-soft text-accent-strong' : 'border-line text-soft hover:text-ink'}`}>
            This chat
          </button>
        )}
      </div>
      <ul id={listId} role="listbox" aria-label="Found" className="max-h-[60dvh] overflow-y-auto p-1.5">
        {entries.map((entry, index) => (
          <EntryRow key={keyOf(entry)} id={`${listId}-${index}`} entry={entry} heading={headingAt(entries, index)} isChosen={index === at} onChoose={() => choose(entry)} onPoint={() => setChosen(index)} />
        ))}
      </ul>
      {search.error !== null && <Notice kind="error" className="m-3 mt-0">{messageOf(search.error)}</Notice>}
      <p role="status" className={entries.length === 0 && search.error === null ? 'px-4 pb-4 text-sm text-soft' : 'sr-only'}>
        {saidOf(typed, entries, search.isSearching, isNarrow)}
      </p>
    </Dialog>
  );
}

/** All own chats, as far as anyone would look: pages are fetched until they are there. */
function useAllChats(): Chat[] {
  const { chats, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = useChats();
  const isMore = hasNextPage && !isFetchNextPageError && chats.length < mostSearched;
  useEffect(() => {
    if (isMore && !isFetchingNextPage) void fetchNextPage();
  }, [isMore, isFetchingNextPage, fetchNextPage]);
  return chats;
}

function entriesOf(typed: string, chats: Chat[], search: { hits: readonly SearchHit[]; hasMore: boolean; isCutShort: boolean; isSearching: boolean }): Entry[] {
  if (typed.trim() === '') return [{ kind: 'new' }, ...chats.slice(0, mostShown).map((chat) => ({ kind: 'chat' as const, chat }))];
  const found = matchingChats(chats, typed).slice(0, mostFound);
  const known = new Set(found.map(({ id }) => id));
  const titles = search.hits.filter((hit) => hit.message_id === null && !known.has(hit.chat_id));
  return [
    ...found.map((chat) => ({ kind: 'chat' as const, chat })),
    ...titles.map((hit) => ({ kind: 'chat' as const, chat: { id: hit.chat_id, title: hit.title, last_activity_at: hit.created_at } })),
    ...search.hits.filter((hit) => hit.message_id !== null).map((hit) => ({ kind: 'message' as const, hit })),
    ...(search.hasMore && !search.isSearching ? [{ kind: 'more' as const, text: search.isCutShort ? 'Not everything was looked at yet. Look further back' : 'Show more' }] : []),
  ];
}

function keyOf(entry: Entry): string {
  if (entry.kind === 'chat') return entry.chat.id;
  return entry.kind === 'message' ? entry.hit.message_id! : entry.kind;
}

/** The heading above an entry: where another kind begins. */
function headingAt(entries: readonly Entry[], index: number): string | null {
  const { kind } = entries[index]!;
  if (kind === entries[index - 1]?.kind) return null;
  if (kind === 'message') return 'Messages';
  return kind === 'chat' ? 'Chats' : null;
}

function saidOf(typed: string, entries: readonly Entry[], isSearching: boolean, isNarrow: boolean): string {
  if (typed.trim() === '') return entries.length === 0 ? 'Type what was said in this chat.' : '';
  if (isSearching) return 'Looking…';
  if (entries.length > 0) return `${entries.filter(({ kind }) => kind !== 'more').length} found`;
  return isNarrow ? 'Nothing in this chat has all of these words.' : 'No chat and no message has all of these words.';
}

interface EntryRowProps {
  id: string;
  entry: Entry;
  heading: string | null;
  isChosen: boolean;
  onChoose: () => void;
  onPoint: () => void;
}

function EntryRow({ id, entry, heading, isChosen, onChoose, onPoint }: EntryRowProps) {
  return (
    <>
      {heading && <li role="presentation" className="px-3 pb-1 pt-2.5 text-xs font-medium text-soft">{heading}</li>}
      <li
        id={id}
        role="option"
        aria-selected={isChosen}
        className={`rounded-lg px-3 py-2 text-sm ${isChosen ? 'bg-panel' : ''}`}
        ref={(element) => {
          if (isChosen) element?.scrollIntoView({ block: 'nearest' });
        }}
        onClick={onChoose}
        onMouseMove={onPoint}
      >
        <EntryText entry={entry} />
      </li>
    </>
  );
}

function EntryText({ entry }: { entry: Entry }) {
  if (entry.kind === 'new') return <Line icon={SquarePen}>New chat</Line>;
  if (entry.kind === 'more') return <Line icon={Search}>{entry.text}</Line>;
  if (entry.kind === 'chat') return <Line icon={MessageSquare} end={dayGroup(entry.chat.last_activity_at, new Date())}>{entry.chat.title}</Line>;
  const { hit } = entry;
  return (
    <>
      <Line icon={hit.message_type === 'USER' ? User : Bot} end={formatTime(hit.created_at)}>
        <span className="text-soft">{hit.title}</span>
      </Line>
      <p className="ml-7 mt-0.5 line-clamp-2 [overflow-wrap:anywhere]">
        <Highlighted text={hit.snippet} matches={hit.matches} />
      </p>
    </>
  );
}

function Line({ icon: Icon, end, children }: { icon: typeof Search; end?: string; children: ReactNode }) {
  return (
    <span className="flex items-center gap-3">
      <Icon aria-hidden size={16} className="shrink-0 text-soft" />
      <span className="min-w-0 flex-1 truncate">{children}</span>
      {end && <span className="shrink-0 text-xs text-soft">{end}</span>}
    </span>
  );
}
