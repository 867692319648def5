import { Link } from '@tanstack/react-router';
import { ProofView } from '../features/proof/index.ts';
import { Logo } from '../shared/ui/index.ts';
import { PlainPage } from './plain-page.tsx';

/** Whether a transcript is what was sealed. */
export function VerifyPage() {
  return (
    <PlainPage title="Check a transcript">
      <ProofView />
    </PlainPage>
  );
}

/** The same for whoever is not signed in: a proof needs no account. */
export function VerifyAlone() {
  return (
    <main className="h-dvh overflow-y-auto">
      <title>Check a transcript – Parley</title>
      <div className="mx-auto max-w-3xl px-4 py-6">
        <div className="mb-5 flex items-center gap-3">
          <Logo />
          <h1 className="flex-1 text-lg font-semibold">Check a transcript</h1>
          <Link to="/" className="control control-plain">
            Sign in
          </Link>
        </div>
        <ProofView />
      </div>
    </main>
  );
}
