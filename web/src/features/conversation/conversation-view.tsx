import { useEffect, useMemo, useRef, type ReactNode, type RefObject } from 'react';
import { Notice, Spinner } from '../../shared/ui/index.ts';
import { Announcer } from './parts/announcer.tsx';
import { Composer } from './parts/composer.tsx';
import { LinkLine } from './parts/link-line.tsx';
import { MessageList, type MessageListHandle } from './parts/message-list.tsx';
import { TypingLine } from './parts/typing-line.tsx';
import type { Conversation } from './state/conversation.ts';
import type { Outgoing } from './state/outbox.ts';
import { ActionsContext, useMessageActions, type MessageActions } from './use-actions.ts';
import { useAttachments } from './use-attachments.ts';
import { ConversationContext, useScope, useView, type ConversationScope } from './use-conversation.ts';
import { useDraft } from '../../shared/browser/index.ts';
import { useTypingSignal } from './use-typing.ts';

interface ConversationViewProps {
  conversation: Conversation;
  userId: string;
  modelName: (id: string | null) => string | null;
  personName: (userId: string) => string;
  /** Whether others take part: they hear that one is typing. */
  isShared: boolean;
  mayWrite: boolean;
  onOpenSetup: () => void;
  /** A message to be brought into sight; null when none is. */
  wanted: string | null;
  /** It was, or could not be. */
  onShown: () => void;
  /** Who will read what is sent. */
  note: ReactNode;
  /** Drawn in place of a conversation that is not there (any more). */
  missing: ReactNode;
}

/** An open conversation: its messages and where the next one is written. */
export function ConversationView({ conversation, userId, modelName, personName, mayWrite, onOpenSetup, missing, ...rest }: ConversationViewProps) {
  const scope = useMemo<ConversationScope>(
    () => ({ conversation, userId, modelName, personName, mayWrite, onOpenSetup }),
    [conversation, userId, modelName, personName, mayWrite, onOpenSetup],
  );
  return (
    <ConversationContext value={scope}>
      <Phases conversation={conversation} missing={missing} {...rest} />
    </ConversationContext>
  );
}

type OpenProps = Pick<ConversationViewProps, 'conversation' | 'note' | 'isShared' | 'wanted' | 'onShown'>;

function Phases({ missing, ...rest }: OpenProps & Pick<ConversationViewProps, 'missing'>) {
  const phase = useView((view) => view.phase);
  const error = useView((view) => view.error);
  if (phase === 'gone' || phase === 'forbidden') return missing;
  if (phase === 'failed') {
    return (
      <div className="m-auto max-w-md p-4">
        <Notice kind="error">
          {error}{' '}
          <button type="button" className="font-medium underline" onClick={() => void rest.conversation.refresh()}>
            Try again
          </button>
        </Notice>
      </div>
    );
  }
  return <Open {...rest} isLoading={phase === 'loading'} />;
}

function Open({ conversation, note, isShared, wanted, onShown, isLoading }: OpenProps & { isLoading: boolean }) {
  const { actions, error, clearError } = useMessageActions(conversation);
  const { mayWrite } = useScope();
  const runningId = useView((view) => view.runningId);
  const [draft, setDraft] = useDraft(conversation.chatId);
  const attachments = useAttachments(!mayWrite);
  const list = useRef<MessageListHandle>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const typing = useTypingSignal(conversation.chatId, isShared);
  const stop = runningId === null || !mayWrite ? null : () => actions.stop(runningId);
  useEscape(stop);
  useWanted(isLoading ? null : wanted, actions, list, onShown);
  const send = (content: string, images: readonly string[]): void => {
    clearError();
    setDraft('');
    attachments.set([]);
    typing.sent();
    conversation.send(content, images);
    list.current?.jump();
  };
  const takeBack = ({ content, images }: Outgoing): void => {
    setDraft(draft.trim() === '' ? content : `${content}\n\n${draft}`);
    attachments.set([...images, ...attachments.images]);
    field.current?.focus();
  };
  const write = (text: string): void => {
    setDraft(text);
    if (text !== '') typing.typed();
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
      <TypingLine />
      {mayWrite ? (
        <Composer field={field} draft={draft} onDraft={write} attachments={attachments} onSend={send} onStop={stop} note={note} />
      ) : (
        <p className="border-t border-line px-4 py-4 text-center text-sm text-soft">You can read here. Only those who run this chat, and whom they let, write in it.</p>
      )}
      <Announcer />
    </ActionsContext>
  );
}

/** Brings a message into sight, once for each time it is wanted. */
function useWanted(wanted: string | null, actions: MessageActions, list: RefObject<MessageListHandle | null>, onShown: () => void): void {
  const underWay = useRef<string | null>(null);
  useEffect(() => {
    if (wanted === null || underWay.current === wanted) return;
    underWay.current = wanted;
    void actions.reveal(wanted).then((isThere) => {
      underWay.current = null;
      if (isThere) list.current?.show(wanted);
      onShown();
    });
  }, [wanted, actions, list, onShown]);
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
