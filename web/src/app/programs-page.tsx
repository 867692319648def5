import { ProgramsView } from '../features/programs/index.ts';
import { useUser } from '../features/session/index.ts';
import { PlainPage } from './plain-page.tsx';

/** Programs with access to one's account. */
export function ProgramsPage() {
  const user = useUser();
  return (
    <PlainPage title="Programs with access">
      <ProgramsView isAdmin={user.role !== 'user'} />
    </PlainPage>
  );
}
