import { Link } from '@tanstack/react-router';
import { Check, CircleSlash, Copy } from 'lucide-react';
import type { Import, ImportedChat } from '../../shared/api/index.ts';
import { formatCount } from '../../shared/format.ts';
import { Notice } from '../../shared/ui/index.ts';

const outcomes = {
  imported: { icon: Check, name: 'Imported', colour: 'text-accent' },
  present: { icon: Copy, name: 'Already here', colour: 'text-soft' },
  skipped: { icon: CircleSlash, name: 'Skipped', colour: 'text-danger' },
};

/** Those that need to be seen stand first. */
const order = { skipped: 0, imported: 1, present: 2 };

/** What came of an import: how many chats, and what was left out of which. */
export function ImportReport({ result }: { result: Import }) {
  const chats = [...result.chats].sort((one, other) => order[one.outcome] - order[other.outcome] || other.remarks.length - one.remarks.length);
  return (
    <section aria-label="Result of the import">
      {result.state === 'failed' && <Notice kind="error">{result.error ?? 'The import failed.'}</Notice>}
      {result.state === 'cancelled' && <Notice kind="warning">Cancelled. What was imported whole until then stays.</Notice>}
      <p role="status" className="mt-3 font-medium">
        {sentence(result)}
      </p>
      {chats.length > 0 && (
        <ul className="mt-3 max-h-[28rem] divide-y divide-line overflow-y-auto rounded-xl border border-line" tabIndex={0} aria-label="Chats of the file">
          {chats.map((chat, at) => (
            <ReportRow key={at} chat={chat} />
          ))}
        </ul>
      )}
      {result.unlisted > 0 && <p className="mt-2 text-sm text-soft">And {formatCount(result.unlisted)} more that are not listed.</p>}
    </section>
  );
}

function ReportRow({ chat }: { chat: ImportedChat }) {
  const { icon: Icon, name, colour } = outcomes[chat.outcome];
  return (
    <li className="px-3 py-2.5 text-sm">
      <div className="flex items-center gap-2.5">
        <Icon aria-hidden size={15} className={`shrink-0 ${colour}`} />
        <span className="min-w-0 flex-1 truncate">
          {chat.outcome === 'imported' && chat.chat_id ? (
            <Link to="/c/$chatId" params={{ chatId: chat.chat_id }} className="underline underline-offset-2 hover:text-accent">
              {chat.title}
            </Link>
          ) : (
            chat.title
          )}
        </span>
        <span className={`shrink-0 text-xs ${colour}`}>{chat.outcome === 'imported' ? counted(chat.messages, 'message') : name}</span>
      </div>
      {chat.remarks.length > 0 && (
        <ul className="ml-6 mt-1 text-xs text-soft">
          {chat.remarks.map(({ what, count }) => (
            <li key={what}>
              {what.replaceAll('`', '')}
              {count > 1 && ` (${formatCount(count)} times)`}
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}

function sentence({ imported, messages, present, skipped }: Import): string {
  const parts = [`${counted(imported, 'chat')} imported, with ${counted(messages, 'message')}`];
  if (present > 0) parts.push(`${formatCount(present)} ${present === 1 ? 'was' : 'were'} here already`);
  if (skipped > 0) parts.push(`${formatCount(skipped)} could not be taken`);
  return `${parts.join('; ')}.`;
}

function counted(count: number, name: string): string {
  return `${formatCount(count)} ${name}${count === 1 ? '' : 's'}`;
}
