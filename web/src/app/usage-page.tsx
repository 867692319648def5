import { UsageView } from '../features/usage/index.ts';
import { PlainPage } from './plain-page.tsx';

/** What was used, and what may be. */
export function UsagePage() {
  return (
    <PlainPage title="Usage">
      <UsageView />
    </PlainPage>
  );
}
