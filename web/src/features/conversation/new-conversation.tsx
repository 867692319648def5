import { useRef, useState, type ReactNode } from 'react';
import { messageOf } from '../../shared/api/index.ts';
import { Notice } from '../../shared/ui/index.ts';
import { Composer } from './parts/composer.tsx';
import { useAttachments } from './use-attachments.ts';
import { sendWhenOpen } from './use-conversation.ts';
import { useDraft } from '../../shared/browser/index.ts';

interface NewConversationProps {
  /** Makes the chat and resolves to its id. */
  create: () => Promise<string>;
  /** Shows the chat. */
  onCreated: (chatId: string) => void;
  note: ReactNode;
  children: ReactNode;
}

/** The beginning of a conversation: a greeting, and where the first message is written. The chat is made when it is sent. */
export function NewConversation({ create, onCreated, note, children }: NewConversationProps) {
  const [draft, setDraft] = useDraft('new');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const attachments = useAttachments();
  const send = (content: string, images: readonly string[]): void => {
    setBusy(true);
    setError(null);
    create().then(
      (chatId) => {
        setDraft('');
        sendWhenOpen(chatId, content, images);
        onCreated(chatId);
      },
      (reason: unknown) => {
        setBusy(false);
        setError(messageOf(reason));
      },
    );
  };
  return (
    <>
      <div className="flex min-h-0 flex-1 flex-col overflow-y-auto p-4">
        <div className="m-auto w-full max-w-xl">{children}</div>
      </div>
      {error && (
        <div className="mx-auto mb-2 w-full max-w-3xl px-4">
          <Notice kind="error">
            {error} What you wrote is kept below.{' '}
            <button type="button" className="font-medium underline" onClick={() => send(draft, attachments.images)}>
              Try again
            </button>
          </Notice>
        </div>
      )}
      <Composer field={field} draft={draft} onDraft={setDraft} attachments={attachments} onSend={send} onStop={null} isDisabled={isBusy} note={note} />
    </>
  );
}
