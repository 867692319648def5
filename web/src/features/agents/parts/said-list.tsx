import { ArrowDown } from 'lucide-react';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useStickToBottom } from '../../../shared/ui/index.ts';
import { capital, nameOf } from '../words.ts';
import type { AgentMessage, AgentSession } from '../types.ts';
import { SaidRow } from './said-row.tsx';

/** Most characters of a message that are read aloud by itself. */
const mostRead = 1500;

interface SaidListProps {
  session: AgentSession;
  messages: readonly AgentMessage[];
  thinking: readonly string[];
  /** Drawn behind the last message, such as why nobody answers. */
  children?: ReactNode;
}

/** Everything that was said, with the end kept in sight. */
export function SaidList({ session, messages, thinking, children }: SaidListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const { isAway, jump } = useStickToBottom(scroller, content);
  const [, second] = session.agents;
  return (
    <div className="relative min-h-0 flex-1">
      <div ref={scroller} data-scroller tabIndex={0} aria-label="What was said" role="region" className="h-full overflow-y-auto">
        <div ref={content} className="mx-auto w-full max-w-3xl px-3 pb-2 pt-5 sm:px-4">
          <ol>
            {messages.map((message, at) => (
              <SaidRow key={at} message={message} name={nameOf(session, message.from)} isSecond={message.from === second.agentId} />
            ))}
          </ol>
          {thinking.map((agentId) => (
            <p key={agentId} className={`flex items-center gap-2 pb-4 text-sm text-soft ${agentId === second.agentId ? 'justify-end' : ''}`}>
              {capital(nameOf(session, agentId))} is answering
              <span aria-hidden className="inline-flex gap-1">
                {[0, 1, 2].map((at) => (
                  <span key={at} className="typing-dot size-1.5 rounded-full bg-soft" />
                ))}
              </span>
            </p>
          ))}
          {children}
        </div>
      </div>
      {isAway && (
        <button type="button" onClick={jump} className="control control-plain absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full! shadow-(--shadow)">
          <ArrowDown aria-hidden size={16} /> To the newest
        </button>
      )}
      <Announcer session={session} messages={messages} />
    </div>
  );
}

/** Reads what is said to whoever cannot see it: not what was there already. */
function Announcer({ session, messages }: Pick<SaidListProps, 'session' | 'messages'>) {
  const known = useRef(messages.length);
  const [text, setText] = useState('');
  useEffect(() => {
    const last = messages.at(-1);
    if (last && messages.length > known.current) setText(`${capital(nameOf(session, last.from))}: ${last.message.slice(0, mostRead).replaceAll(/[*_`#>|~]+/g, '')}`);
    known.current = messages.length;
  }, [messages, session]);
  return (
    <div aria-live="polite" className="sr-only" data-announcer>
      {text}
    </div>
  );
}
