import { useUser } from '../features/session/index.ts';
import { SetupView } from '../features/setup/index.ts';
import { PageHead } from './page-head.tsx';

/** Which models there are, and how to get one. */
export function SetupPage() {
  const user = useUser();
  return (
    <>
      <PageHead title="Models and keys">
        <h1 className="text-[0.95rem] font-semibold">Models and keys</h1>
      </PageHead>
      <div className="min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto max-w-3xl px-4 py-6">
          <SetupView mayPull={user.role !== 'user'} />
        </div>
      </div>
    </>
  );
}
