import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { messageOf, type Import } from '../../shared/api/index.ts';
import { cancelImport, fetchImport, fetchImports, sendImport } from './api.ts';
import { fileToImport, UnreadableFile } from './archive.ts';

/** Milliseconds between two questions how an import stands. */
const askEveryMs = 700;

const importsKey = ['imports'];

export type Sending = { kind: 'idle' } | { kind: 'sending'; name: string; part: number } | { kind: 'failed'; error: string };

export function hasEnded({ state }: Import): boolean {
  return state !== 'waiting' && state !== 'running';
}

/** One import of this account at a time: sending the file, how it stands, and what came of it. */
export function useImport(onImported: () => void) {
  const queries = useQueryClient();
  const [sending, setSending] = useState<Sending>({ kind: 'idle' });
  const [importId, setImportId] = useState<string | null>(null);
  const abort = useRef<AbortController | null>(null);
  const list = useQuery({ queryKey: importsKey, queryFn: fetchImports });
  // One that another page began, or that went on behind a restart, is shown as well.
  const shownId = importId ?? list.data?.find((entry) => !hasEnded(entry))?.id ?? null;
  const { data: current } = useQuery({
    queryKey: [...importsKey, shownId],
    queryFn: () => fetchImport(shownId!),
    enabled: shownId !== null,
    refetchInterval: ({ state }) => (state.data && hasEnded(state.data) ? false : askEveryMs),
  });
  const ended = current && hasEnded(current) ? current.id : null;
  useEffect(() => {
    if (ended === null) return;
    onImported();
    void queries.invalidateQueries({ queryKey: importsKey, exact: true });
  }, [ended, onImported, queries]);
  useEffect(() => () => abort.current?.abort(), []);

  const send = useCallback(
    async (file: File): Promise<void> => {
      const controller = (abort.current = new AbortController());
      setSending({ kind: 'sending', name: file.name, part: 0 });
      try {
        const made = await sendImport(await fileToImport(file), (part) => setSending({ kind: 'sending', name: file.name, part }), controller.signal);
        queries.setQueryData([...importsKey, made.id], made);
        setImportId(made.id);
        setSending({ kind: 'idle' });
      } catch (error) {
        if (controller.signal.aborted) return setSending({ kind: 'idle' });
        setSending({ kind: 'failed', error: error instanceof UnreadableFile ? error.message : messageOf(error) });
        void queries.invalidateQueries({ queryKey: importsKey });
      }
    },
    [queries],
  );
  const cancel = useCallback(async (): Promise<void> => {
    abort.current?.abort();
    if (shownId === null) return;
    try {
      queries.setQueryData([...importsKey, shownId], await cancelImport(shownId));
      setImportId(shownId);
    } catch (error) {
      setSending({ kind: 'failed', error: messageOf(error) });
    }
  }, [queries, shownId]);
  return { sending, current: current ?? null, send: (file: File) => void send(file), cancel: () => void cancel() };
}
