import { useQuery } from '@tanstack/react-query';
import { Suspense, useEffect, useState, type ReactNode } from 'react';
import { messageOf, type Session } from '../shared/api/index.ts';
import { Logo, Notice, Spinner } from '../shared/ui/index.ts';
import { forgetAfterSignOut, sessionQuery, SignInForm, SignUpForm } from '../features/session/index.ts';

interface GateProps {
  /** What is shown to whoever is not signed in, in place of the way in; null for the way in. */
  withoutSignIn: ReactNode;
  children: ReactNode;
}

/** Draws the page for whoever is signed in; for everyone else the way in. */
export function Gate({ withoutSignIn, children }: GateProps) {
  const { data, isError, error, refetch } = useQuery(sessionQuery);
  if (data?.user) return children;
  if (withoutSignIn !== null && (data || isError)) return <Suspense>{withoutSignIn}</Suspense>;
  if (data) return <Door session={data} />;
  return (
    <main className="flex h-dvh items-center justify-center p-4">
      {isError ? (
        <Notice kind="error">
          {messageOf(error)}{' '}
          <button type="button" className="font-medium underline" onClick={() => void refetch()}>
            Try again
          </button>
        </Notice>
      ) : (
        <div className="late">
          <Spinner label="Opening Parley…" />
        </div>
      )}
    </main>
  );
}

/** Signing in and signing up. */
function Door({ session }: { session: Session }) {
  const { mode, owner_claimed: isClaimed } = session.registration;
  // Nobody can sign in yet: the first thing to do is to become the owner.
  const [isNew, setNew] = useState(!isClaimed && !session.local_trust);
  useEffect(forgetAfterSignOut, []);
  const maySignUp = mode !== 'closed' || !isClaimed;
  return (
    <main className="flex min-h-dvh items-center justify-center overflow-y-auto bg-panel p-4">
      <div className="card w-full max-w-md p-6 shadow-(--shadow) sm:p-8">
        <div className="mb-6 flex items-center gap-3">
          <Logo size={36} />
          <h1 className="text-xl font-semibold">{isNew ? 'Sign up' : 'Sign in to Parley'}</h1>
        </div>
        {isNew ? <SignUpForm session={session} /> : <SignInForm session={session} />}
        {maySignUp && (
          <p className="mt-5 text-center text-sm text-soft">
            {isNew ? 'You have an account?' : 'No account yet?'}{' '}
            <button type="button" className="font-medium text-accent underline underline-offset-2" onClick={() => setNew(!isNew)}>
              {isNew ? 'Sign in' : 'Sign up'}
            </button>
          </p>
        )}
        {!maySignUp && <p className="mt-5 text-center text-sm text-soft">New accounts are made by whoever runs this server.</p>}
      </div>
    </main>
  );
}
