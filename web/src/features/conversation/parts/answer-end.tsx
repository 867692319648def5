import { RotateCcw, Settings, StepForward } from 'lucide-react';
import type { ReactNode } from 'react';
import type { Message } from '../../../shared/api/index.ts';
import { Notice } from '../../../shared/ui/index.ts';
import { canContinue } from '../state/status.ts';
import { useActions } from '../use-actions.ts';
import { useScope, useView } from '../use-conversation.ts';

/** Errors that are mended on the set-up page. */
const mendedInSetup = new Set(['no_api_key', 'invalid_api_key', 'no_model', 'model_not_found', 'quota_exceeded']);

/** How an answer ended, where it did not simply end: why, and what can be done. */
export function AnswerEnd({ message }: { message: Message }) {
  if (message.status === 'FAILED') {
    return (
      <Notice kind="error" className="mt-2">
        <p>{message.error?.message ?? 'The answer failed.'}</p>
        <Ways message={message} />
      </Notice>
    );
  }
  if (message.status === 'INTERRUPTED') {
    return (
      <Notice kind="warning" className="mt-2">
        <p>The server stopped while this was being written. {message.content === '' ? '' : 'What was written is kept.'}</p>
        <Ways message={message} />
      </Notice>
    );
  }
  if (message.status === 'CANCELLED') return <Remark>{message.content === '' ? 'Stopped before it began.' : 'Stopped.'}</Remark>;
  if (message.finish_reason === 'length') return <Remark>Cut at the length limit.</Remark>;
  if (message.finish_reason === 'content_filter') return <Remark>Cut by the service’s content filter.</Remark>;
  if (message.finish_reason === 'tool') return <Remark>Ended with a tool call, which this page cannot run.</Remark>;
  return null;
}

function Remark({ children }: { children: ReactNode }) {
  return <p className="mt-1 text-sm italic text-soft">{children}</p>;
}

function Ways({ message }: { message: Message }) {
  const actions = useActions();
  const { onOpenSetup, mayWrite } = useScope();
  const isBusy = useView((view) => view.openCount > 0);
  if (!mayWrite) return null;
  return (
    <div className="mt-2.5 flex flex-wrap gap-2">
      {canContinue(message) && (
        <button type="button" className="control control-plain min-h-8" disabled={isBusy} onClick={() => actions.continue(message.id)}>
          <StepForward aria-hidden size={15} /> Go on
        </button>
      )}
      <button type="button" className="control control-plain min-h-8" disabled={isBusy} onClick={() => actions.regenerate(message.id)}>
        <RotateCcw aria-hidden size={15} /> Try again
      </button>
      {message.error && mendedInSetup.has(message.error.code) && (
        <button type="button" className="control control-plain min-h-8" onClick={onOpenSetup}>
          <Settings aria-hidden size={15} /> Models and keys
        </button>
      )}
    </div>
  );
}
