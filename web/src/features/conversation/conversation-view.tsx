import { useEffect, useMemo, useRef, type ReactNode } from 'react';
import { Notice, Spinner } from '../../shared/ui/index.ts';
import { Announcer } from './parts/announcer.tsx';
import { Composer } from './parts/composer.tsx';
import { LinkLine } from './parts/link-line.tsx';
import { MessageList, type MessageListHandle } from './parts/message-list.tsx';
import type { Conversation } from './state/conversation.ts';
import { ActionsContext, useMessageActions } from './use-actions.ts';
import { ConversationContext, useView, type ConversationScope } from './use-conversation.ts';
import { useDraft } from './use-draft.ts';

interface ConversationViewProps {
  conversation: Conversation;
  userId: string;
  modelName: (id: string | null) => string | null;
  onOpenSetup: () => void;
  /** Who will read what is sent. */
  note: ReactNode;
  /** Drawn in place of a conversation that is not there (any more). */
  missing: ReactNode;
}

/** An open conversation: its messages and where the next one is written. */
export function ConversationView({ conversation, userId, modelName, onOpenSetup, note, missing }: ConversationViewProps) {
  const scope = useMemo<ConversationScope>(() => ({ conversation, userId, modelName, onOpenSetup }), [conversation, userId, modelName, onOpenSetup]);
  return (
    <ConversationContext value={scope}>
      <Phases conversation={conversation} note={note} missing={missing} />
    </ConversationContext>
  );
}

function Phases({ conversation, note, missing }: Pick<ConversationViewProps, 'conversation' | 'note' | 'missing'>) {
  const phase = useView((view) => view.phase);
  const error = useView((view) => view.error);
  if (phase === 'gone' || phase === 'forbidden') return missing;
  if (phase === 'failed') {
    return (
      <div className="m-auto max-w-md p-4">
        <Notice kind="error">
          {error}{' '}
          <button type="button" className="font-medium underline" onClick={() => void conversation.refresh()}>
            Try again
          </button>
        </Notice>
      </div>
    );
  }
  return <Open conversation={conversation} note={note} isLoading={phase === 'loading'} />;
}

function Open({ conversation, note, isLoading }: { conversation: Conversation; note: ReactNode; isLoading: boolean }) {
  const { actions, error, clearError } = useMessageActions(conversation);
  const runningId = useView((view) => view.runningId);
  const [draft, setDraft] = useDraft(conversation.chatId);
  const list = useRef<MessageListHandle>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const stop = runningId === null ? null : () => actions.stop(runningId);
  useEscape(stop);
  const send = (content: string): void => {
    clearError();
    setDraft('');
    conversation.send(content);
    list.current?.jump();
  };
  const takeBack = (content: string): void => {
    setDraft(draft.trim() === '' ? content : `${content}\n\n${draft}`);
    field.current?.focus();
  };
  return (
    <ActionsContext value={actions}>
      <MessageList handle={list} onTakeBack={takeBack} />
      {isLoading && <div className="absolute inset-x-0 top-24 flex justify-center"><Spinner label="Opening…" /></div>}
      <LinkLine />
      {error && (
        <div className="mx-auto mb-2 w-full max-w-3xl px-4">
          <Notice kind="error">
            <span className="flex items-start justify-between gap-3">
              {error}
              <button type="button" className="font-medium underline" onClick={clearError}>
                Close
              </button>
            </span>
          </Notice>
        </div>
      )}
      <Composer field={field} draft={draft} onDraft={setDraft} onSend={send} onStop={stop} note={note} />
      <Announcer />
    </ActionsContext>
  );
}

/** Escape stops the answer, unless something open takes it: a menu, a window, a field being edited. */
function useEscape(stop: (() => void) | null): void {
  const latest = useRef(stop);
  useEffect(() => {
    latest.current = stop;
  }, [stop]);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
      latest.current?.();
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);
}
