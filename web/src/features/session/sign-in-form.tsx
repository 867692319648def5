import { useQueryClient } from '@tanstack/react-query';
import { Monitor } from 'lucide-react';
import { useState, type FormEvent } from 'react';
import { messageOf, type Session } from '../../shared/api/index.ts';
import { Notice, TextField } from '../../shared/ui/index.ts';
import { signIn } from './api.ts';
import { continueLocally, enter, sessionQuery } from './use-session.ts';

/** Name and password; on the server's own machine also the way in without them. */
export function SignInForm({ session }: { session: Session }) {
  const queries = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const attempt = (work: () => Promise<unknown>): void => {
    setBusy(true);
    setError(null);
    work().catch((reason: unknown) => {
      setBusy(false);
      setError(messageOf(reason));
    });
  };
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    attempt(async () => {
      await signIn(String(form.get('username')), String(form.get('password')));
      await enter(queries);
    });
  };
  const goOn = (): void =>
    attempt(async () => {
      queries.setQueryData(sessionQuery.queryKey, await continueLocally());
      await enter(queries);
    });
  return (
    <form onSubmit={submit} className="space-y-4">
      {error && <Notice kind="error">{error}</Notice>}
      <TextField label="Username" name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} required autoFocus />
      <TextField label="Password" name="password" type="password" autoComplete="current-password" required />
      <button type="submit" className="control control-primary w-full" disabled={isBusy}>
        Sign in
      </button>
      {session.local_trust && (
        <button type="button" className="control control-plain w-full" onClick={goOn} disabled={isBusy}>
          <Monitor aria-hidden size={16} />
          Continue as the owner of this machine
        </button>
      )}
    </form>
  );
}
