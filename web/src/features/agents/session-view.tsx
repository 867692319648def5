import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { messageOf } from '../../shared/api/index.ts';
import { useDraft } from '../../shared/browser/index.ts';
import { Confirm, Notice, Spinner } from '../../shared/ui/index.ts';
import { endSession, fetchMessages, sessionQuery } from './api.ts';
import { useLiveSession } from './live/use-live-session.ts';
import { AgentCard } from './parts/agent-card.tsx';
import { LimitsUsed } from './parts/limits-used.tsx';
import { RunControls } from './parts/run-controls.tsx';
import { SaidList } from './parts/said-list.tsx';
import { SpeakForm } from './parts/speak-form.tsx';
import { TranscriptCard } from './parts/transcript-card.tsx';
import type { AgentMessage, AgentSession } from './types.ts';
import { nameOf, skipSentence } from './words.ts';

/** Milliseconds between two looks at the figures of a session in which agents talk by themselves. */
const lookMs = 2000;

interface SessionViewProps {
  sessionId: string;
  /** The name of a model for a person; null stands for the default one. */
  modelName: (id: string | null) => string;
  /** Drawn where an agent has no model that could answer. */
  setUpHint: ReactNode;
  /** Which models can speak for an agent; `null` among them stands for the default one. */
  canSpeak: (model: string | null) => boolean;
  /** The way to the page that checks transcripts. */
  checkLink: ReactNode;
  /** The line above the page. @param end ends the session, after asking; null where that cannot be */
  head: (session: AgentSession | null, end: (() => void) | null) => ReactNode;
}

/** Name under which what is typed is kept in this browser. */
export function draftName(sessionId: string): string {
  return `agents.${sessionId}`;
}

/** One session: watched as it happens, and stepped into. */
export function SessionView({ sessionId, head, ...rest }: SessionViewProps) {
  const { data: session, error, refetch } = useQuery({ ...sessionQuery(sessionId), refetchInterval: ({ state }) => (state.data?.run?.state === 'running' ? lookMs : false) });
  if (session) return <OpenSession session={session} head={head} {...rest} />;
  return (
    <>
      {head(null, null)}
      <div className="m-auto p-6">
        {error ? (
          <Notice kind="error">
            {messageOf(error)}{' '}
            <button type="button" className="font-medium underline" onClick={() => void refetch()}>
              Try again
            </button>
          </Notice>
        ) : (
          <div className="late">
            <Spinner label="Opening the session…" />
          </div>
        )}
      </div>
    </>
  );
}

function OpenSession({ session, modelName, setUpHint, canSpeak, checkLink, head }: Omit<SessionViewProps, 'sessionId'> & { session: AgentSession }) {
  const queries = useQueryClient();
  const { live, view } = useLiveSession(session);
  const hasEnded = session.status === 'ended';
  const kept = useQuery({ queryKey: ['agent-messages', session.sessionId], queryFn: () => fetchMessages(session.sessionId), enabled: hasEnded });
  const [draft, setDraft] = useDraft(draftName(session.sessionId));
  const [isEnding, setEnding] = useState(false);
  const messages: readonly AgentMessage[] | null = (hasEnded ? kept.data : null) ?? view.messages;
  const lacksModel = !hasEnded && session.agents.some(({ model }) => !canSpeak(model));
  return (
    <>
      {head(session, hasEnded || !view.isOwner ? null : () => setEnding(true))}
      <div className="border-b border-line">
        <div className="mx-auto w-full max-w-3xl px-3 pb-1 pt-3 sm:px-4">
          <div className="grid grid-cols-2 gap-2">
            {session.agents.map((agent, at) => (
              <AgentCard key={agent.agentId} agent={agent} name={nameOf(session, agent.agentId)} modelName={modelName(agent.model)} isThinking={view.thinking.includes(agent.agentId)} isSecond={at === 1} />
            ))}
          </div>
          <LimitsUsed session={session} messages={messages ?? []} />
        </div>
      </div>
      <SaidList session={session} messages={messages ?? []} thinking={hasEnded ? [] : view.thinking}>
        {messages === null && view.phase !== 'refused' && !kept.error && (
          <div className="late flex justify-center py-8">
            <Spinner label="Loading what was said…" />
          </div>
        )}
        {messages === null && kept.error && <Notice kind="error">{messageOf(kept.error)}</Notice>}
        {!hasEnded && messages?.length === 0 && <Beginning session={session} />}
        {!hasEnded && view.note && (
          <Notice kind={view.note.kind === 'failed' ? 'error' : 'info'} className="mb-4">
            {view.note.kind === 'failed' ? view.note.message : skipSentence(session, view.note.agentId, view.note.reason)}
          </Notice>
        )}
        {hasEnded && (
          <div className="pb-6">
            <TranscriptCard sessionId={session.sessionId} isOwner={view.isOwner} checkLink={checkLink} />
          </div>
        )}
      </SaidList>
      {!hasEnded && (
        <div className="border-t border-line">
          <div className="mx-auto w-full max-w-3xl space-y-2 px-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] pt-2 sm:px-4">
            {view.phase === 'lost' && <Notice kind="warning">The connection is lost. Connecting again; what is missed meanwhile is shown then.</Notice>}
            {view.phase === 'refused' && <Notice kind="error">{view.problem}</Notice>}
            {lacksModel && setUpHint}
            {view.isOwner && <RunControls session={session} opening={messages?.length === 0 ? draft : null} onOpened={() => setDraft('')} />}
            {live && <SpeakForm session={session} live={live} mayJoin={view.phase !== 'refused'} isOwner={view.isOwner} draft={draft} onDraft={setDraft} />}
          </div>
        </div>
      )}
      {isEnding && (
        <Confirm title="End this session?" action="End it" keep="Let it go on" onConfirm={() => endSession(session.sessionId).then(() => queries.invalidateQueries(sessionQuery(session.sessionId)))} onClose={() => setEnding(false)}>
          <p>Nobody can say anything in it any more, and that cannot be undone. Its transcript is sealed, so that it can be proven later that nothing in it was changed.</p>
        </Confirm>
      )}
    </>
  );
}

/** Before anything was said. */
function Beginning({ session }: { session: AgentSession }) {
  return (
    <div className="mx-auto max-w-md py-8 text-center">
      <p className="font-medium">Nothing was said yet</p>
      <p className="mt-1 text-sm leading-relaxed text-soft">
        Write the first sentence below, as {nameOf(session, session.agents[0].agentId)}. Then the two talk by themselves, or you let each answer when you like.
      </p>
    </div>
  );
}
