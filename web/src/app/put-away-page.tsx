import { PutAwayView } from '../features/chats/index.ts';
import { useLayout } from './layout.tsx';
import { PlainPage } from './plain-page.tsx';

export function ArchivePage() {
  const { doors } = useLayout();
  return (
    <PlainPage title="Archive">
      <PutAwayView state="archived" onShow={doors.onShow} />
    </PlainPage>
  );
}

export function TrashPage() {
  const { doors } = useLayout();
  return (
    <PlainPage title="Trash">
      <PutAwayView state="trashed" onShow={doors.onShow} />
    </PlainPage>
  );
}
