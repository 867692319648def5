import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Crown, Ellipsis, MessageSquareOff, MessageSquareText, Shield, ShieldOff, UserMinus } from 'lucide-react';
import { useState } from 'react';
import { messageOf, type Chat, type Participant } from '../../shared/api/index.ts';
import { peopleQuery } from '../../shared/people/index.ts';
import { Avatar, Confirm, IconButton, Menu, MenuItem, MenuSeparator, Notice } from '../../shared/ui/index.ts';
import { changePerson, removePerson } from './api.ts';

const roleNames = { OWNER: 'Owner', ADMIN: 'Admin', MEMBER: 'Member' };

interface PersonRowProps {
  chat: Chat;
  person: Participant;
  /** The reader. */
  me: Participant;
}

/** Somebody in a chat, with what the reader may do about them. */
export function PersonRow({ chat, person, me }: PersonRowProps) {
  const queries = useQueryClient();
  const [asking, setAsking] = useState<'remove' | 'hand-over' | null>(null);
  const refresh = () => queries.invalidateQueries(peopleQuery(chat.id));
  const change = useMutation({ mutationFn: (changes: Parameters<typeof changePerson>[2]) => changePerson(chat.id, person.user_id, changes), onSettled: refresh });
  const isMe = person.user_id === me.user_id;
  const owns = me.role === 'OWNER';
  const mayChange = !isMe && (owns || (me.role === 'ADMIN' && person.role === 'MEMBER'));
  return (
    <li className="py-2" aria-label={person.username}>
      <div className="flex items-center gap-3">
        <Avatar name={person.username} />
        <span className="min-w-0 flex-1">
          <span className="block truncate text-sm font-medium">
            {person.username}
            {isMe && <span className="font-normal text-soft"> (you)</span>}
          </span>
          <span className="block text-xs text-soft">
            {roleNames[person.role]}
            {!person.can_send_messages && ' · only reads'}
          </span>
        </span>
        {mayChange && (
          <Menu trigger={<IconButton label={`Change ${person.username}`}><Ellipsis aria-hidden size={16} /></IconButton>}>
            {owns && person.role === 'MEMBER' && <MenuItem onSelect={() => change.mutate({ role: 'ADMIN' })}><Shield aria-hidden size={15} /> Make admin</MenuItem>}
            {owns && person.role === 'ADMIN' && <MenuItem onSelect={() => change.mutate({ role: 'MEMBER' })}><ShieldOff aria-hidden size={15} /> Make member</MenuItem>}
            <MenuItem onSelect={() => change.mutate({ can_send_messages: !person.can_send_messages })}>
              {person.can_send_messages ? <><MessageSquareOff aria-hidden size={15} /> Let only read</> : <><MessageSquareText aria-hidden size={15} /> Let write</>}
            </MenuItem>
            {owns && <MenuItem onSelect={() => setAsking('hand-over')}><Crown aria-hidden size={15} /> Hand over the chat…</MenuItem>}
            <MenuSeparator />
            <MenuItem className="text-danger" onSelect={() => setAsking('remove')}><UserMinus aria-hidden size={15} /> Remove…</MenuItem>
          </Menu>
        )}
      </div>
      {change.isError && <Notice kind="error" className="mt-2">{messageOf(change.error)}</Notice>}
      {asking === 'remove' && (
        <Confirm title={`Remove ${person.username}?`} action="Remove" keep="Cancel" onConfirm={() => removePerson(chat.id, person.user_id).then(refresh)} onClose={() => setAsking(null)}>
          <p>{person.username} no longer sees this chat. What they wrote stays.{!chat.is_private && chat.chat_type !== 'DIRECT' && ' They can join it again as long as everybody may.'}</p>
        </Confirm>
      )}
      {asking === 'hand-over' && (
        <Confirm title={`Hand over to ${person.username}?`} action="Hand over" keep="Cancel" onConfirm={() => changePerson(chat.id, person.user_id, { role: 'OWNER' }).then(refresh)} onClose={() => setAsking(null)}>
          <p>{person.username} then owns this chat: gives roles, and can archive or delete it. You stay as an admin. Only {person.username} can give it back.</p>
        </Confirm>
      )}
    </li>
  );
}
