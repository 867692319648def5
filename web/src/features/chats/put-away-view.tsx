import { Archive, ArchiveRestore, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { messageOf, type Chat } from '../../shared/api/index.ts';
import { formatCount, formatTime } from '../../shared/format.ts';
import { Confirm, IconButton, Notice, showToast, Spinner } from '../../shared/ui/index.ts';
import type { PutAway } from './api.ts';
import { useChatChanges, usePutAway } from './use-chats.ts';

const words = {
  archived: { icon: Archive, empty: 'The archive is empty.', hint: 'Chats you archive leave the list and wait here, with everything in them.' },
  trashed: { icon: Trash2, empty: 'The trash is empty.', hint: 'Chats in the trash are deleted for good after 30 days, unless the server is set otherwise.' },
};

interface PutAwayViewProps {
  state: PutAway;
  onShow: (chatId: string) => void;
}

/** The archive or the trash. A chat is opened again by taking it out. */
export function PutAwayView({ state, onShow }: PutAwayViewProps) {
  const { chats, isPending, isError, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = usePutAway(state);
  const { icon: Icon, empty, hint } = words[state];
  if (isPending) return <Spinner label="Loading…" />;
  if (isError && chats.length === 0) {
    return (
      <Notice kind="error">
        {messageOf(error)}{' '}
        <button type="button" className="font-medium underline" onClick={() => void refetch()}>
          Try again
        </button>
      </Notice>
    );
  }
  if (chats.length === 0) {
    return (
      <div className="flex flex-col items-center py-16 text-center">
        <Icon aria-hidden size={32} strokeWidth={1.5} className="text-soft" />
        <p className="mt-3 font-medium">{empty}</p>
        <p className="mt-1 max-w-sm text-sm text-soft">{hint}</p>
      </div>
    );
  }
  return (
    <>
      <p className="mb-4 text-sm text-soft">{hint}</p>
      <ul className="divide-y divide-line border-y border-line">
        {chats.map((chat) => (
          <Row key={chat.id} chat={chat} state={state} onShow={onShow} />
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

function Row({ chat, state, onShow }: { chat: Chat; state: PutAway; onShow: (chatId: string) => void }) {
  const { restore, putAway, remove } = useChatChanges();
  const [isDeleting, setDeleting] = useState(false);
  const since = state === 'archived' ? chat.archived_at : chat.trashed_at;
  const failed = (reason: unknown): void => showToast({ text: messageOf(reason), isError: true });
  const takeOut = (): void => {
    restore(chat.id).then(() => showToast({ text: `“${chat.title}” is back in the list.`, action: { name: 'Open', run: () => onShow(chat.id) } }), failed);
  };
  const toTrash = (): void => {
    // Out of the trash it is open again, and then goes back to where it was.
    const undo = (): void => void restore(chat.id).then(() => putAway(chat.id, 'archive')).catch(failed);
    putAway(chat.id, 'trash').then(() => showToast({ text: `“${chat.title}” is in the trash.`, action: { name: 'Undo', run: undo } }), failed);
  };
  return (
    <li className="flex flex-wrap items-center gap-x-3 gap-y-1 py-2.5" aria-label={chat.title}>
      <div className="min-w-0 flex-1 basis-48">
        <p className="truncate font-medium">{chat.title}</p>
        <p className="truncate text-xs text-soft">
          {formatCount(chat.message_count)} {chat.message_count === 1 ? 'message' : 'messages'}
          {since && ` · ${state === 'archived' ? 'archived' : 'in the trash since'} ${formatTime(since)}`}
        </p>
      </div>
      <div className="flex items-center gap-1">
        <button type="button" className="control control-plain" onClick={takeOut}>
          <ArchiveRestore aria-hidden size={15} /> Restore
        </button>
        {state === 'archived' && (
          <IconButton label={`Move ${chat.title} to the trash`} onClick={toTrash}>
            <Trash2 aria-hidden size={16} />
          </IconButton>
        )}
        {state === 'trashed' && (
          <button type="button" className="control control-quiet text-danger!" onClick={() => setDeleting(true)}>
            Delete for good…
          </button>
        )}
      </div>
      {isDeleting && (
        <Confirm title="Delete this chat for good?" action="Delete for good" onConfirm={() => remove(chat.id)} onClose={() => setDeleting(false)}>
          <p>
            <strong className="font-medium text-ink">{chat.title}</strong> and all of its messages, on every branch, are removed from this server. This cannot be undone.
          </p>
        </Confirm>
      )}
    </li>
  );
}
