import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { chatsQuery, useChatChanges } from '../features/chats/index.ts';
import { defaultChoice, ModelPicker } from '../features/models/index.ts';
import { GroupsView, NewGroupDialog } from '../features/people/index.ts';
import { tellTabs } from '../shared/browser/index.ts';
import { useLayout } from './layout.tsx';
import { PlainPage } from './plain-page.tsx';

/** Chats of several people: those that can be joined, and new ones. */
export function GroupsPage() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const { doors } = useLayout();
  const { take } = useChatChanges();
  const [isMaking, setMaking] = useState(false);
  const [model, setModel] = useState<string | null>(defaultChoice);
  const open = (chatId: string, isNew: boolean): void => {
    if (isNew) {
      void queries.invalidateQueries(chatsQuery);
      tellTabs('chats');
    }
    doors.onShow(chatId);
  };
  return (
    <PlainPage title="Groups">
      <GroupsView onNew={() => setMaking(true)} onOpen={open} />
      {isMaking && (
        <NewGroupDialog
          model={model}
          modelPicker={<ModelPicker value={model} onChange={setModel} onOpenSetup={() => void navigate({ to: '/setup' })} />}
          onMade={(chat) => {
            take(chat);
            tellTabs('chats');
            doors.onShow(chat.id);
          }}
          onClose={() => setMaking(false)}
        />
      )}
    </PlainPage>
  );
}
