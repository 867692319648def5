import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { MessagesSquare, Plus } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { messageOf } from '../../shared/api/index.ts';
import { browserStorage } from '../../shared/browser/index.ts';
import { formatCount, formatTime } from '../../shared/format.ts';
import { Notice, Spinner } from '../../shared/ui/index.ts';
import { createSession, fetchSessions, pageSize, sessionsKey } from './api.ts';
import { NewSessionDialog, type RenderModelPicker } from './new-session-dialog.tsx';
import { presets, sessionOf, type Preset } from './presets.ts';
import { draftName } from './session-view.tsx';
import type { AgentSession, NewSession } from './types.ts';

interface AgentsViewProps {
  /** Draws the choice of a model for one agent. */
  modelPicker: RenderModelPicker;
  /** Drawn where no model is there that could speak for an agent. */
  setUpHint: ReactNode;
  /** A link to a session. */
  link: (session: AgentSession, className: string, children: ReactNode) => ReactNode;
  onOpen: (sessionId: string) => void;
}

/** The sessions of two agents, and new ones. */
export function AgentsView({ modelPicker, setUpHint, link, onOpen }: AgentsViewProps) {
  const queries = useQueryClient();
  const make = async (made: NewSession, opening: string): Promise<void> => {
    const { sessionId } = await createSession(made);
    if (opening !== '') browserStorage.write(`draft.${draftName(sessionId)}`, opening);
    void queries.invalidateQueries({ queryKey: sessionsKey });
    onOpen(sessionId);
  };
  return (
    <div className="space-y-7">
      <NewPair modelPicker={modelPicker} setUpHint={setUpHint} make={make} />
      <Sessions link={link} />
    </div>
  );
}

interface NewPairProps extends Pick<AgentsViewProps, 'modelPicker' | 'setUpHint'> {
  /** @param opening put into the message field of the session */
  make: (made: NewSession, opening: string) => Promise<void>;
}

/** Pairs that work at one click, and the way to one's own. */
function NewPair({ modelPicker, setUpHint, make }: NewPairProps) {
  const [isMaking, setMaking] = useState(false);
  const [busyWith, setBusyWith] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const take = (preset: Preset): void => {
    setBusyWith(preset.name);
    setProblem(null);
    make(sessionOf(preset), preset.opening).catch((reason: unknown) => {
      setBusyWith(null);
      setProblem(messageOf(reason));
    });
  };
  return (
    <section aria-labelledby="new-pair">
      <div className="mb-3 flex flex-wrap items-center justify-between gap-3">
        <div className="min-w-0">
          <h2 id="new-pair" className="font-semibold">
            A new pair
          </h2>
          <p className="text-sm text-soft">Two agents talk to each other, within limits. You watch, step in, and end it.</p>
        </div>
        <button type="button" className="control control-primary" onClick={() => setMaking(true)}>
          <Plus aria-hidden size={16} /> Your own pair
        </button>
      </div>
      {setUpHint}
      {problem && <Notice kind="error" className="mb-3">{problem}</Notice>}
      <ul className="grid gap-2 sm:grid-cols-2">
        {presets.map((preset) => (
          <li key={preset.name}>
            <button type="button" className="flex h-full w-full flex-col items-start rounded-xl border border-line bg-raised px-4 py-3 text-left hover:border-line-strong disabled:opacity-50" disabled={busyWith !== null} onClick={() => take(preset)}>
              <span className="font-medium">{preset.name}</span>
              <span className="text-sm text-soft">{preset.about}</span>
            </button>
          </li>
        ))}
      </ul>
      {isMaking && <NewSessionDialog modelPicker={modelPicker} onMake={(made) => make(made, '')} onClose={() => setMaking(false)} />}
    </section>
  );
}

/** What goes on, and what has ended. */
function Sessions({ link }: Pick<AgentsViewProps, 'link'>) {
  const { data, isPending, isError, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: sessionsKey,
    queryFn: ({ pageParam }) => fetchSessions(pageParam),
    initialPageParam: 0,
    getNextPageParam: (last, pages) => (last.length < pageSize ? undefined : pages.length * pageSize),
    refetchOnMount: 'always',
  });
  const sessions = data?.pages.flat() ?? [];
  const groups = [
    { title: 'Going on', members: sessions.filter(({ status }) => status === 'active') },
    { title: 'Ended', members: sessions.filter(({ status }) => status === 'ended') },
  ];
  return (
    <>
      {isPending && <Spinner label="Loading…" />}
      {isError && sessions.length === 0 && (
        <Notice kind="error">
          {messageOf(error)}{' '}
          <button type="button" className="font-medium underline" onClick={() => void refetch()}>
            Try again
          </button>
        </Notice>
      )}
      {data && sessions.length === 0 && <Empty />}
      {groups.filter(({ members }) => members.length > 0).map(({ title, members }) => (
        <section key={title} aria-label={title}>
          <h2 className="mb-2 text-sm font-medium text-soft">{title}</h2>
          <ul className="space-y-2">
            {members.map((session) => (
              <li key={session.sessionId}>{link(session, 'block rounded-xl border border-line bg-raised px-4 py-3 hover:border-line-strong', <SessionRow session={session} />)}</li>
            ))}
          </ul>
        </section>
      ))}
      {hasNextPage && (
        <button type="button" className="control control-quiet w-full" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {isFetchingNextPage ? 'Loading…' : 'Show more'}
        </button>
      )}
    </>
  );
}

function Empty() {
  return (
    <div className="flex flex-col items-center py-8 text-center">
      <MessagesSquare aria-hidden size={32} strokeWidth={1.5} className="text-soft" />
      <p className="mt-3 font-medium">No two agents have talked yet</p>
      <p className="mt-1 max-w-md text-sm leading-relaxed text-soft">
        Choose a pair above, or make your own: each agent has a role, a model and, if you like, instructions. They stop at limits by themselves; when you end a session its transcript is sealed and can be proven.
      </p>
    </div>
  );
}

function SessionRow({ session }: { session: AgentSession }) {
  const { title, agents, messageCount, startTime, run, status } = session;
  return (
    <span className="flex items-center gap-3">
      <span className="min-w-0 flex-1">
        <span className="block truncate font-medium">{title}</span>
        <span className="block truncate text-xs text-soft">
          {agents[0].role} and {agents[1].role} · {formatCount(messageCount)} {messageCount === 1 ? 'message' : 'messages'} · {formatTime(startTime)}
        </span>
      </span>
      {status === 'active' && run?.state === 'running' && <span className="shrink-0 rounded-full bg-accent-soft px-2.5 py-0.5 text-xs font-medium text-accent-strong">talking</span>}
      {status === 'active' && run?.state === 'paused' && <span className="shrink-0 rounded-full bg-warn-soft px-2.5 py-0.5 text-xs font-medium text-warn">paused</span>}
    </span>
  );
}
