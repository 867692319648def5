import { memo } from 'react';
import { Markdown } from '../../../shared/markdown/index.ts';
import { formatDuration, formatTime } from '../../../shared/format.ts';
import { isOfPerson, type AgentMessage } from '../types.ts';
import { capital, marksOf } from '../words.ts';

interface SaidRowProps {
  message: AgentMessage;
  name: string;
  isSecond: boolean;
}

/** What an agent has said, or a person in its name. */
export const SaidRow = memo(function SaidRow({ message, name, isSecond }: SaidRowProps) {
  const isPerson = isOfPerson(message);
  const marks = marksOf(message);
  return (
    <li className="conversation-row pb-5">
      <article aria-label={`${capital(name)}${isPerson ? ', said by a person' : ''}`} className={`flex flex-col ${isSecond ? 'items-end' : 'items-start'}`}>
        <p className="mb-1 text-xs text-soft">
          <span className="font-medium text-ink">{capital(name)}</span>
          {isPerson && ' · a person in its name'} · <time dateTime={message.timestamp}>{formatTime(message.timestamp)}</time>
        </p>
        <div className={`max-w-[92%] rounded-2xl px-4 py-2.5 leading-relaxed [overflow-wrap:anywhere] sm:max-w-[85%] ${isSecond ? 'rounded-tr-md bg-bubble' : 'rounded-tl-md bg-panel'}`}>
          {isPerson ? <p className="whitespace-pre-wrap">{message.message}</p> : <Markdown text={message.message} isGrowing={false} />}
        </div>
        {!isPerson && (
          <p className="mt-1 text-xs text-soft">{[...marks, ...figuresOf(message)].join(' · ')}</p>
        )}
      </article>
    </li>
  );
});

/** What is known of how a reply was made. */
function figuresOf({ metadata: { aiModel, processingTime, tokensUsed } }: AgentMessage): string[] {
  return [
    ...(aiModel ? [aiModel] : []),
    ...(typeof processingTime === 'number' ? [formatDuration(processingTime)] : []),
    ...(typeof tokensUsed === 'number' ? [`${tokensUsed.toLocaleString('en-US')} tokens`] : []),
  ];
}
