import { useQuery } from '@tanstack/react-query';
import { Archive, Ellipsis, FileJson, FileText, LogOut, Pencil, Pin, PinOff, Trash2, Users } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { Chat } from '../../shared/api/index.ts';
import { peopleQuery } from '../../shared/people/index.ts';
import { Confirm, IconButton, Menu, MenuItem, MenuSeparator } from '../../shared/ui/index.ts';
import type { ChatActs } from './use-acts.ts';
import { useChatChanges } from './use-chats.ts';

/** What the page around the list does with a chat. */
export interface ChatDoors {
  userId: string;
  onPeople: (chat: Chat) => void;
  onExport: (chat: Chat, format: 'json' | 'markdown') => void;
  /** Shows a chat; null shows the beginning of a new one. */
  onShow: (chatId: string | null) => void;
}

interface ChatMenuProps extends ChatDoors {
  chat: Chat;
  acts: ChatActs;
  /** Begins to rename it where it stands; left out where it cannot. */
  onRename?: () => void;
  isOpen: boolean;
  onOpenChange: (isOpen: boolean) => void;
  className?: string;
  /** What its button is called. @default after the chat */
  label?: string;
}

/** Everything that can be done with a chat. */
export function ChatMenu({ chat, acts, onRename, isOpen, onOpenChange, className = '', label = `More for ${chat.title}`, userId, onPeople, onExport, onShow }: ChatMenuProps) {
  const { data: people } = useQuery({ ...peopleQuery(chat.id), enabled: isOpen });
  const [isLeaving, setLeaving] = useState(false);
  const { leave } = useChatChanges();
  const role = people?.find((person) => person.user_id === userId)?.role;
  // A direct chat is one’s own in nearly every case: its menu does not wait to hear it.
  const isOwner = role === undefined ? chat.chat_type === 'DIRECT' : role === 'OWNER';
  const isPinned = Boolean(chat.pinned_at);
  return (
    <>
      <Menu
        isOpen={isOpen}
        onOpenChange={onOpenChange}
        className="w-60"
        trigger={
          <IconButton label={label} className={className}>
            <Ellipsis aria-hidden size={16} />
          </IconButton>
        }
      >
        <Entry icon={isPinned ? PinOff : Pin} keyName="P" onSelect={() => acts.togglePin(chat)}>{isPinned ? 'Unpin' : 'Pin'}</Entry>
        {onRename && <Entry icon={Pencil} keyName="F2" onSelect={onRename}>Rename</Entry>}
        <Entry icon={Users} onSelect={() => onPeople(chat)}>People…</Entry>
        <MenuSeparator />
        <Entry icon={FileText} onSelect={() => onExport(chat, 'markdown')}>Export as Markdown</Entry>
        <Entry icon={FileJson} onSelect={() => onExport(chat, 'json')}>Export as JSON</Entry>
        <MenuSeparator />
        {isOwner && (
          <>
            <Entry icon={Archive} keyName="A" onSelect={() => acts.archive(chat)}>Archive</Entry>
            <Entry icon={Trash2} keyName="Del" className="text-danger" onSelect={() => acts.trash(chat)}>Move to trash</Entry>
          </>
        )}
        {!isOwner && <Entry icon={LogOut} className="text-danger" onSelect={() => setLeaving(true)}>Leave…</Entry>}
      </Menu>
      {isLeaving && (
        <Confirm
          title="Leave this chat?"
          action="Leave"
          keep="Stay"
          onConfirm={async () => {
            await leave(chat.id);
            onShow(null);
          }}
          onClose={() => setLeaving(false)}
        >
          <p>
            You no longer see <strong className="font-medium text-ink">{chat.title}</strong>. What you wrote stays. {chat.is_private ? 'Somebody in it has to bring you back.' : 'You can join it again.'}
          </p>
        </Confirm>
      )}
    </>
  );
}

interface EntryProps {
  icon: typeof Pin;
  /** The key that does the same in the list. */
  keyName?: string;
  className?: string;
  onSelect: () => void;
  children: ReactNode;
}

function Entry({ icon: Icon, keyName, className, onSelect, children }: EntryProps) {
  return (
    <MenuItem className={className} onSelect={onSelect}>
      <Icon aria-hidden size={15} className="shrink-0" />
      <span className="flex-1">{children}</span>
      {keyName && <kbd aria-hidden className="font-sans text-xs text-soft [@media(hover:none)]:hidden">{keyName}</kbd>}
    </MenuItem>
  );
}
