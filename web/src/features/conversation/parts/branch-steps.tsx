import { ChevronLeft, ChevronRight } from 'lucide-react';
import type { Message } from '../../../shared/api/index.ts';
import { IconButton } from '../../../shared/ui/index.ts';
import { branchOf } from '../state/path.ts';
import { useActions } from '../use-actions.ts';
import { useScope, useView } from '../use-conversation.ts';

/** Steps through the other versions of a message; nothing when there is only this one. */
export function BranchSteps({ message }: { message: Message }) {
  const actions = useActions();
  const { mayWrite } = useScope();
  const isBusy = useView((view) => view.openCount > 0);
  const branch = branchOf(message);
  if (!branch || !mayWrite) return null;
  const { previous, next } = branch;
  const why = isBusy ? ' (when the answer is complete)' : '';
  return (
    <span role="group" aria-label={`Version ${branch.index + 1} of ${branch.count}`} className="inline-flex items-center text-xs tabular-nums text-soft">
      <IconButton label={`Earlier version${why}`} className="size-8!" disabled={previous === null || isBusy} onClick={() => previous && actions.select(previous)}>
        <ChevronLeft aria-hidden size={15} />
      </IconButton>
      <span aria-hidden>
        {branch.index + 1}/{branch.count}
      </span>
      <IconButton label={`Later version${why}`} className="size-8!" disabled={next === null || isBusy} onClick={() => next && actions.select(next)}>
        <ChevronRight aria-hidden size={15} />
      </IconButton>
    </span>
  );
}
