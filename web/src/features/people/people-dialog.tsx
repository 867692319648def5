import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { messageOf, type Chat, type Participant } from '../../shared/api/index.ts';
import { peopleQuery } from '../../shared/people/index.ts';
import { Dialog, Notice, Spinner } from '../../shared/ui/index.ts';
import { invite, setPrivate } from './api.ts';
import { PersonRow } from './person-row.tsx';

interface PeopleDialogProps {
  chat: Chat;
  userId: string;
  /** The chat changed: who may join it. */
  onChat: (chat: Chat) => void;
  onClose: () => void;
}

/** Who takes part in a chat, and what those who run it do about that. */
export function PeopleDialog({ chat, userId, onChat, onClose }: PeopleDialogProps) {
  const { data: people, isError, error } = useQuery(peopleQuery(chat.id));
  const me = people?.find((person) => person.user_id === userId);
  const runs = me !== undefined && me.role !== 'MEMBER';
  return (
    <Dialog title={people ? `People (${people.length})` : 'People'} onClose={onClose} className="max-h-[85dvh] w-[min(32rem,calc(100vw-2rem))] overflow-y-auto rounded-2xl p-5">
      <p className="-mt-2 mb-4 truncate text-sm text-soft">{chat.title}</p>
      {isError && <Notice kind="error">{messageOf(error)}</Notice>}
      {!people && !isError && <Spinner label="Loading…" />}
      {runs && <InviteForm chat={chat} people={people!} />}
      {people && me && (
        <ul aria-label="People" className="divide-y divide-line">
          {people.map((person) => (
            <PersonRow key={person.user_id} chat={chat} person={person} me={me} />
          ))}
        </ul>
      )}
      {runs && chat.chat_type !== 'DIRECT' && <WhoMayJoin chat={chat} onChat={onChat} />}
    </Dialog>
  );
}

function InviteForm({ chat, people }: { chat: Chat; people: readonly Participant[] }) {
  const queries = useQueryClient();
  const [name, setName] = useState('');
  const inviting = useMutation({
    mutationFn: (username: string) => invite(chat.id, username),
    onSuccess: async () => {
      setName('');
      await queries.invalidateQueries(peopleQuery(chat.id));
    },
  });
  const isFull = chat.chat_type === 'DIRECT' && people.length >= 2;
  if (isFull) return <p className="mb-3 text-sm text-soft">A direct chat is for two people. Make a group for more.</p>;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const username = name.trim().replace(/^@/, '');
    if (username !== '') inviting.mutate(username);
  };
  return (
    <form onSubmit={submit} className="mb-3">
      <div className="flex gap-2">
        <input aria-label="Username" placeholder="Username" value={name} onChange={(event) => setName(event.target.value)} autoCapitalize="none" autoComplete="off" spellCheck={false} maxLength={33} className="field" />
        <button type="submit" className="control control-primary shrink-0" disabled={inviting.isPending || name.trim() === ''}>
          Bring in
        </button>
      </div>
      {inviting.isError && <Notice kind="error" className="mt-2">{messageOf(inviting.error)}</Notice>}
      {inviting.isSuccess && name === '' && <p role="status" className="mt-2 text-sm text-soft">{inviting.data.username} is in this chat.</p>}
    </form>
  );
}

function WhoMayJoin({ chat, onChat }: { chat: Chat; onChat: (chat: Chat) => void }) {
  const [error, setError] = useState<string | null>(null);
  /** What was asked for and is not answered yet. */
  const [wanted, setWanted] = useState<boolean | null>(null);
  const change = (isPublic: boolean): void => {
    setError(null);
    setWanted(isPublic);
    setPrivate(chat.id, !isPublic)
      .then(onChat, (reason: unknown) => setError(messageOf(reason)))
      .finally(() => setWanted(null));
  };
  return (
    <div className="mt-4 border-t border-line pt-4">
      <label className="flex items-start gap-3 text-sm">
        <input type="checkbox" className="mt-0.5 size-4 accent-(--accent)" checked={wanted ?? !chat.is_private} onChange={(event) => change(event.target.checked)} />
        <span>
          <span className="font-medium">Everybody on this server may join</span>
          <span className="block text-soft">It then stands in the list of groups. What is said is shown only to who takes part.</span>
        </span>
      </label>
      {error && <Notice kind="error" className="mt-2">{error}</Notice>}
    </div>
  );
}
