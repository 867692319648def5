import { CirclePause, RotateCcw, StepForward } from 'lucide-react';
import type { Message } from '../../../shared/api/index.ts';
import { Markdown } from '../../../shared/markdown/index.ts';
import { IconButton } from '../../../shared/ui/index.ts';
import { canContinue, isOpen } from '../state/status.ts';
import { useActions } from '../use-actions.ts';
import { useScope, useView } from '../use-conversation.ts';
import { AnswerEnd } from './answer-end.tsx';
import { BranchSteps } from './branch-steps.tsx';
import { CopyButton } from './copy-button.tsx';
import { Figures } from './figures.tsx';
import { ToolCalls } from './tools.tsx';

/** What a model said, or is saying. */
export function AnswerRow({ message, isLast }: { message: Message; isLast: boolean }) {
  const { modelName } = useScope();
  const name = modelName(message.model) ?? 'Answer';
  const isRunning = message.status === 'PROCESSING';
  return (
    <article aria-label={`Answer of ${name}`} aria-busy={isRunning} className="min-w-0">
      <p className="mb-1 text-xs font-medium text-soft">{name}</p>
      {message.reasoning && <Reasoning text={message.reasoning} isRunning={isRunning && message.content === ''} />}
      {message.content !== '' && <Markdown text={message.content} isGrowing={isRunning} />}
      {message.tool_calls && <ToolCalls calls={message.tool_calls} />}
      {isRunning && <Writing hasText={message.content !== ''} />}
      {message.status === 'QUEUED' && <Waiting message={message} />}
      {!isOpen(message.status) && (
        <>
          <AnswerEnd message={message} />
          <AnswerActions message={message} isLast={isLast} />
        </>
      )}
    </article>
  );
}

function AnswerActions({ message, isLast }: { message: Message; isLast: boolean }) {
  const actions = useActions();
  const { mayWrite } = useScope();
  const isBusy = useView((view) => view.openCount > 0);
  const why = isBusy ? ' (when the answer is complete)' : '';
  return (
    <div className="-ml-2 mt-1 flex min-h-8 items-center">
      <span className={isLast ? '' : 'row-actions'}>
        {message.content !== '' && <CopyButton text={message.content} label="Copy answer" />}
        {mayWrite && (
          <IconButton label={`Answer again${why}`} className="size-8!" disabled={isBusy} onClick={() => actions.regenerate(message.id)}>
            <RotateCcw aria-hidden size={15} />
          </IconButton>
        )}
        {mayWrite && canContinue(message) && (
          <IconButton label={`Go on with this answer${why}`} className="size-8!" disabled={isBusy} onClick={() => actions.continue(message.id)}>
            <StepForward aria-hidden size={15} />
          </IconButton>
        )}
        <Figures message={message} />
      </span>
      <BranchSteps message={message} />
    </div>
  );
}

/** What a model thinks before it speaks, folded away once it does. */
function Reasoning({ text, isRunning }: { text: string; isRunning: boolean }) {
  return (
    <details className="mb-3 rounded-xl border border-line px-3.5 py-2 text-sm text-soft" open={isRunning || undefined}>
      <summary className="font-medium">{isRunning ? 'Thinking…' : 'Thoughts'}</summary>
      <div className="mt-2 max-h-72 overflow-y-auto whitespace-pre-wrap leading-relaxed [overflow-wrap:anywhere]" tabIndex={0}>
        {text}
      </div>
    </details>
  );
}

function Writing({ hasText }: { hasText: boolean }) {
  return (
    <span aria-hidden className={`inline-flex gap-1 py-2 ${hasText ? 'opacity-60' : ''}`}>
      {[0, 1, 2].map((at) => (
        <span key={at} className="typing-dot size-1.5 rounded-full bg-soft" />
      ))}
    </span>
  );
}

function Waiting({ message }: { message: Message }) {
  const actions = useActions();
  return (
    <p className="flex items-center gap-2 text-sm text-soft">
      <CirclePause aria-hidden size={16} />
      Waits for the answer before it.
      <button type="button" className="font-medium underline underline-offset-2 hover:text-ink" onClick={() => actions.stop(message.id)}>
        Cancel
      </button>
    </p>
  );
}
