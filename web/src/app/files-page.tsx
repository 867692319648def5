import { useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { chatsQuery } from '../features/chats/index.ts';
import { TransferView } from '../features/transfer/index.ts';
import { PlainPage } from './plain-page.tsx';

/** Chats as files. */
export function FilesPage() {
  const queries = useQueryClient();
  return (
    <PlainPage title="Export and import">
      <TransferView onImported={useCallback(() => void queries.invalidateQueries(chatsQuery), [queries])} />
    </PlainPage>
  );
}
