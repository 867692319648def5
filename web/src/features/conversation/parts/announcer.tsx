import { useEffect, useRef, useState } from 'react';
import { useScope, useView } from '../use-conversation.ts';

/** Most characters of an answer read aloud by itself; the rest is read in the list. */
const mostRead = 1500;

/**
 * Tells readers of the screen, when they are not busy, that an answer has begun and what it says once it is complete:
 * reading every piece as it comes would never end.
 */
export function Announcer() {
  const { conversation, modelName } = useScope();
  const runningId = useView((view) => view.runningId);
  const before = useRef<string | null>(null);
  const [text, setText] = useState('');
  useEffect(() => {
    const ended = before.current === null ? undefined : conversation.message(before.current);
    before.current = runningId;
    if (runningId !== null) setText(`${modelName(conversation.message(runningId)?.model ?? null) ?? 'The model'} is answering.`);
    else if (ended) setText(ended.status === 'DELIVERED' ? `Answer: ${spoken(ended.content)}` : (ended.error?.message ?? 'The answer was stopped.'));
  }, [runningId, conversation, modelName]);
  return (
    <div aria-live="polite" className="sr-only" data-announcer>
      {text}
    </div>
  );
}

/** Without the marks of Markdown, which nobody wants to hear. */
function spoken(content: string): string {
  return content.slice(0, mostRead).replaceAll(/[*_`#>|~]+/g, '');
}
