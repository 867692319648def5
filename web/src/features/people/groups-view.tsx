import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { Hash, Plus, Users } from 'lucide-react';
import { useState } from 'react';
import { messageOf, type PublicChat } from '../../shared/api/index.ts';
import { formatCount } from '../../shared/format.ts';
import { Notice, Spinner } from '../../shared/ui/index.ts';
import { fetchPublic, joinChat, publicPageSize } from './api.ts';

const publicKey = ['public-chats'];

interface GroupsViewProps {
  onNew: () => void;
  /** Shows a chat; `isNew` when it was joined just now. */
  onOpen: (chatId: string, isNew: boolean) => void;
}

/** Groups and channels that everybody on the server may join. */
export function GroupsView({ onNew, onOpen }: GroupsViewProps) {
  const { data, isPending, isError, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: publicKey,
    queryFn: ({ pageParam }) => fetchPublic(pageParam),
    initialPageParam: 0,
    getNextPageParam: (last, pages) => (last.length < publicPageSize ? undefined : pages.length * publicPageSize),
  });
  const chats = data?.pages.flat() ?? [];
  return (
    <>
      <div className="mb-4 flex flex-wrap items-center justify-between gap-3">
        <p className="text-sm text-soft">Groups and channels that everybody on this server may join.</p>
        <button type="button" className="control control-primary" onClick={onNew}>
          <Plus aria-hidden size={16} /> New group
        </button>
      </div>
      {isPending && <Spinner label="Loading…" />}
      {isError && chats.length === 0 && (
        <Notice kind="error">
          {messageOf(error)}{' '}
          <button type="button" className="font-medium underline" onClick={() => void refetch()}>
            Try again
          </button>
        </Notice>
      )}
      {data && chats.length === 0 && (
        <div className="flex flex-col items-center py-16 text-center">
          <Users aria-hidden size={32} strokeWidth={1.5} className="text-soft" />
          <p className="mt-3 font-medium">There is no public group yet.</p>
          <p className="mt-1 max-w-sm text-sm text-soft">Make one, with a model that answers or for people alone. Private groups are not listed: somebody in them brings you in.</p>
        </div>
      )}
      <ul className="space-y-2">
        {chats.map((chat) => (
          <GroupRow key={chat.id} chat={chat} onOpen={onOpen} />
        ))}
      </ul>
      {hasNextPage && (
        <button type="button" className="control control-quiet mt-3 w-full" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {isFetchingNextPage ? 'Loading…' : 'Show more'}
        </button>
      )}
    </>
  );
}

function GroupRow({ chat, onOpen }: { chat: PublicChat; onOpen: GroupsViewProps['onOpen'] }) {
  const queries = useQueryClient();
  const [error, setError] = useState<string | null>(null);
  const Icon = chat.chat_type === 'CHANNEL' ? Hash : Users;
  const join = (): void => {
    setError(null);
    joinChat(chat.id).then(
      () => {
        void queries.invalidateQueries({ queryKey: publicKey });
        onOpen(chat.id, true);
      },
      (reason: unknown) => setError(messageOf(reason)),
    );
  };
  return (
    <li aria-label={chat.title} className="rounded-xl border border-line bg-raised px-4 py-3">
      <div className="flex items-center gap-3">
        <Icon aria-hidden size={18} className="shrink-0 text-soft" />
        <div className="min-w-0 flex-1">
          <p className="truncate font-medium">{chat.title}</p>
          <p className="truncate text-xs text-soft">
            {chat.chat_type === 'CHANNEL' ? 'Channel' : 'Group'} · {formatCount(chat.participant_count)} {chat.participant_count === 1 ? 'person' : 'people'} · {formatCount(chat.message_count)}{' '}
            {chat.message_count === 1 ? 'message' : 'messages'}
          </p>
        </div>
        {chat.is_participant ? (
          <button type="button" className="control control-plain" onClick={() => onOpen(chat.id, false)}>
            Open
          </button>
        ) : (
          <button type="button" className="control control-primary" onClick={join}>
            Join
          </button>
        )}
      </div>
      {chat.description && <p className="mt-2 line-clamp-2 text-sm text-soft">{chat.description}</p>}
      {error && <Notice kind="error" className="mt-2">{error}</Notice>}
    </li>
  );
}
