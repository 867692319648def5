import { useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { messageOf, type Session } from '../../shared/api/index.ts';
import { Notice, TextField } from '../../shared/ui/index.ts';
import { signUp } from './api.ts';
import { enter } from './use-session.ts';

interface SignUpFormProps {
  session: Session;
  /** Called when the account is made. */
  onDone?: () => void;
}

/** A new account. The first one of a server takes over the owner's place, with every conversation in it. */
export function SignUpForm({ session, onDone }: SignUpFormProps) {
  const queries = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const claims = !session.registration.owner_claimed;
  const asksForCode = claims ? !session.local_trust : session.registration.mode === 'invite';
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string): string => String(form.get(name) ?? '').trim();
    const password = String(form.get('password'));
    if (password !== String(form.get('repeated'))) {
      setError('The two passwords differ.');
      return;
    }
    setBusy(true);
    setError(null);
    signUp({ username: text('username'), name: text('name'), email: text('email'), password, code: text('code') || null })
      .then(() => enter(queries))
      .then(onDone)
      .catch((reason: unknown) => {
        setBusy(false);
        setError(messageOf(reason));
      });
  };
  return (
    <form onSubmit={submit} className="space-y-4">
      {error && <Notice kind="error">{error}</Notice>}
      {claims && (
        <p className="text-sm leading-relaxed text-soft">
          This account becomes the owner of this server: every conversation made so far is in it, and it may add models.
        </p>
      )}
      <TextField label="Username" name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} pattern="[A-Za-z0-9_.\-]{3,32}" hint="3 to 32 letters, digits, dots, dashes or underscores." required autoFocus />
      <TextField label="Name" name="name" autoComplete="name" maxLength={100} required />
      <TextField label="Email" name="email" type="email" autoComplete="email" maxLength={254} hint="Kept on this server; nothing is sent to it." required />
      <TextField label="Password" name="password" type="password" autoComplete="new-password" minLength={8} maxLength={200} hint="At least 8 characters." required />
      <TextField label="Password, once more" name="repeated" type="password" autoComplete="new-password" minLength={8} maxLength={200} required />
      {asksForCode && (
        <TextField label={claims ? 'Set-up code' : 'Invite code'} name="code" autoComplete="off" spellCheck={false} hint={claims ? 'Printed in the terminal where the server was started.' : 'From whoever runs this server.'} required />
      )}
      <button type="submit" className="control control-primary w-full" disabled={isBusy}>
        {claims ? 'Make the owner’s account' : 'Sign up'}
      </button>
    </form>
  );
}
