import { memo } from 'react';
import { useMessage } from '../use-conversation.ts';
import { AnswerRow } from './answer-row.tsx';
import { QuestionRow } from './question-row.tsx';
import { ToolResult } from './tools.tsx';

interface MessageRowProps {
  id: string;
  /** The last one shown: what can be done with it is always in sight. */
  isLast: boolean;
}

/** One message, drawn again only when it changes itself. */
export const MessageRow = memo(function MessageRow({ id, isLast }: MessageRowProps) {
  const message = useMessage(id);
  if (!message) return null;
  return (
    <li data-message={id} data-type={message.message_type} data-status={message.status} className="conversation-row -mx-2 px-3 py-2">
      {message.message_type === 'USER' && <QuestionRow message={message} />}
      {message.message_type === 'AI' && <AnswerRow message={message} isLast={isLast} />}
      {message.message_type === 'SYSTEM' && (message.tool_call_id === null ? <p className="text-center text-sm text-soft">{message.content}</p> : <ToolResult text={message.content} />)}
    </li>
  );
});
