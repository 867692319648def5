import { Pencil } from 'lucide-react';
import { useState } from 'react';
import type { Message } from '../../../shared/api/index.ts';
import { Avatar, IconButton } from '../../../shared/ui/index.ts';
import { senderOf } from '../state/sender.ts';
import { useScope, useView } from '../use-conversation.ts';
import { BranchSteps } from './branch-steps.tsx';
import { CopyButton } from './copy-button.tsx';
import { EditForm } from './edit-form.tsx';
import { Pictures } from './pictures.tsx';

/** What a person said. One's own words can be changed, which makes another version of them. */
export function QuestionRow({ message }: { message: Message }) {
  const { userId, personName, mayWrite } = useScope();
  const isBusy = useView((view) => view.openCount > 0);
  const [isEditing, setEditing] = useState(false);
  if (isEditing) return <EditForm message={message} onDone={() => setEditing(false)} />;
  const sender = senderOf(message, userId, personName);
  const isOwn = sender === null;
  const bubble = isOwn ? 'rounded-br-md bg-bubble' : 'rounded-tl-md bg-panel';
  const body = (
    <>
      {message.images.length > 0 && <Pictures images={message.images} isOwn={isOwn} />}
      {message.content !== '' && <div className={`max-w-[85%] whitespace-pre-wrap rounded-2xl px-4 py-2.5 leading-relaxed [overflow-wrap:anywhere] ${bubble}`}>{message.content}</div>}
      <div className="-mb-2 mt-0.5 flex min-h-8 items-center">
        <span className="row-actions">
          <CopyButton text={message.content} label="Copy message" />
          {message.sender_id === userId && mayWrite && (
            <IconButton label={isBusy ? 'Edit (when the answer is complete)' : 'Edit message'} className="size-8!" disabled={isBusy} onClick={() => setEditing(true)}>
              <Pencil aria-hidden size={15} />
            </IconButton>
          )}
        </span>
        <BranchSteps message={message} />
      </div>
    </>
  );
  if (isOwn) return <article aria-label="Your message" className="flex flex-col items-end">{body}</article>;
  return (
    <article aria-label={`Message of ${sender}`} className="flex gap-2.5">
      <Avatar name={sender} />
      <div className="flex min-w-0 flex-1 flex-col items-start">
        <p className="mb-1 text-xs font-medium text-soft">{sender}</p>
        {body}
      </div>
    </article>
  );
}
