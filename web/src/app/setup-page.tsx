import { useUser } from '../features/session/index.ts';
import { SetupView } from '../features/setup/index.ts';
import { PlainPage } from './plain-page.tsx';

/** Which models there are, and how to get one. */
export function SetupPage() {
  const user = useUser();
  return (
    <PlainPage title="Models and keys">
      <SetupView mayPull={user.role !== 'user'} />
    </PlainPage>
  );
}
