import { UsageView } from '../features/usage/index.ts';
import { PageHead } from './page-head.tsx';

/** What was used, and what may be. */
export function UsagePage() {
  return (
    <>
      <PageHead title="Usage">
        <h1 className="text-[0.95rem] font-semibold">Usage</h1>
      </PageHead>
      <div className="min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto max-w-3xl px-4 py-6">
          <UsageView />
        </div>
      </div>
    </>
  );
}
