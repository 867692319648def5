import { ArrowDown } from 'lucide-react';
import { useCallback, useEffect, useImperativeHandle, useRef, type Ref } from 'react';
import { Spinner, useStickToBottom } from '../../../shared/ui/index.ts';
import type { Outgoing } from '../state/outbox.ts';
import { useScope, useView } from '../use-conversation.ts';
import { useOlderMessages } from '../use-older-messages.ts';
import { MessageRow } from './message-row.tsx';
import { OutgoingRow } from './outgoing-row.tsx';

export interface MessageListHandle {
  /** Shows the end, and stays there. */
  jump: () => void;
  /** Brings a message into sight that is loaded, and marks it for a moment. */
  show: (messageId: string) => void;
}

interface MessageListProps {
  onTakeBack: (entry: Outgoing) => void;
  handle: Ref<MessageListHandle>;
}

/** The shown branch. Older messages come as one scrolls up; the end stays in sight unless one did. */
export function MessageList({ onTakeBack, handle }: MessageListProps) {
  const { conversation } = useScope();
  const path = useView((view) => view.path);
  const outgoing = useView((view) => view.outgoing);
  const hasOlder = useView((view) => view.hasOlder);
  const isLoadingOlder = useView((view) => view.isLoadingOlder);
  const isReady = useView((view) => view.phase === 'ready');
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const top = useRef<HTMLDivElement>(null);
  const { isAway, jump, release } = useStickToBottom(scroller, content);
  useOlderMessages(conversation, scroller, top, path, isReady && hasOlder);
  const show = useCallback(
    (messageId: string) => {
      release();
      // With the next pictures: it may have been put there just now, and what is around it gets its height as it comes into sight.
      requestAnimationFrame(() => {
        showRow(scroller.current, messageId);
        requestAnimationFrame(() => showRow(scroller.current, messageId));
      });
    },
    [release],
  );
  useImperativeHandle(handle, () => ({ jump, show }), [jump, show]);
  useEffect(() => {
    if (outgoing.length > 0) jump();
  }, [outgoing.length, jump]);
  return (
    <div className="relative min-h-0 flex-1">
      <div ref={scroller} data-scroller className="h-full overflow-y-auto overscroll-contain" tabIndex={0} role="region" aria-label="Conversation">
        <div ref={content} className="mx-auto max-w-3xl px-4 pb-6 pt-4 sm:px-6">
          <div ref={top} className={`flex justify-center ${hasOlder ? 'h-10' : 'h-px'}`}>
            {isLoadingOlder && <Spinner label="Loading older messages…" />}
          </div>
          <ol aria-label="Messages">
            {path.map((id, at) => (
              <MessageRow key={id} id={id} isLast={at === path.length - 1} />
            ))}
            {outgoing.map((entry) => (
              <OutgoingRow key={entry.key} entry={entry} onTakeBack={onTakeBack} />
            ))}
          </ol>
        </div>
      </div>
      {isAway && (
        <button type="button" onClick={jump} className="control control-plain absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full shadow-(--shadow)">
          <ArrowDown aria-hidden size={16} /> Jump to latest
        </button>
      )}
    </div>
  );
}

function showRow(scroller: HTMLElement | null, messageId: string): void {
  const row = [...(scroller?.querySelectorAll<HTMLElement>('[data-message]') ?? [])].find((element) => element.dataset['message'] === messageId);
  if (!row) return;
  row.scrollIntoView({ block: 'center' });
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  row.dataset['found'] = '';
  row.addEventListener('animationend', () => delete row.dataset['found'], { once: true });
}
