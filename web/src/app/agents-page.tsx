import { useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { CircleStop, ShieldCheck } from 'lucide-react';
import { AgentsView, SessionView } from '../features/agents/index.ts';
import { chatsQuery } from '../features/chats/index.ts';
import { defaultChoice, ModelPicker, speakerOf, useModels } from '../features/models/index.ts';
import { tellTabs } from '../shared/browser/index.ts';
import { Notice } from '../shared/ui/index.ts';
import { PageHead } from './page-head.tsx';
import { PlainPage } from './plain-page.tsx';

/** Sessions of two agents, and new ones. */
export function AgentsPage() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const models = useModels().data;
  const openSetup = (): void => void navigate({ to: '/setup' });
  const usual = speakerOf(defaultChoice, models);
  const lacksModel = usual?.kind === 'builtin' || usual?.kind === 'none';
  return (
    <PlainPage title="Agents">
      <AgentsView
        modelPicker={(value, onChange) => <ModelPicker isForAgent value={value} onChange={(model) => onChange(model ?? defaultChoice)} onOpenSetup={openSetup} />}
        setUpHint={lacksModel ? <SetUpHint /> : null}
        link={({ sessionId }, className, children) => (
          <Link to="/agents/$sessionId" params={{ sessionId }} className={className}>
            {children}
          </Link>
        )}
        onOpen={(sessionId) => {
          // A session is a chat as well, and stands in the list.
          void queries.invalidateQueries(chatsQuery);
          tellTabs('chats');
          void navigate({ to: '/agents/$sessionId', params: { sessionId } });
        }}
      />
    </PlainPage>
  );
}

/** One session. */
export function AgentSessionPage({ sessionId }: { sessionId: string }) {
  const models = useModels().data;
  const speaker = (model: string | null) => speakerOf(model ?? defaultChoice, models);
  const canSpeak = (model: string | null): boolean => {
    const kind = speaker(model)?.kind;
    return kind !== 'builtin' && kind !== 'none';
  };
  return (
    <SessionView
      sessionId={sessionId}
      modelName={(model) => speaker(model)?.name ?? '…'}
      canSpeak={canSpeak}
      setUpHint={<SetUpHint />}
      checkLink={
        <Link to="/verify" className="control control-plain">
          <ShieldCheck aria-hidden size={16} /> Check a file
        </Link>
      }
      head={(session, end) => (
        <PageHead title={session?.title ?? 'Agents'}>
          <Link to="/agents" className="shrink-0 text-sm text-soft hover:text-ink">
            Agents
          </Link>
          <span aria-hidden className="text-soft">
            /
          </span>
          <h1 className="min-w-0 flex-1 truncate text-[0.95rem] font-semibold" title={session?.title}>
            {session?.title ?? 'Session'}
          </h1>
          {session?.status === 'ended' && <span className="shrink-0 rounded-full bg-panel px-2.5 py-0.5 text-xs font-medium text-soft">Ended</span>}
          {end && (
            <button type="button" className="control control-plain shrink-0" onClick={end}>
              <CircleStop aria-hidden size={16} /> End…
            </button>
          )}
        </PageHead>
      )}
    />
  );
}

function SetUpHint() {
  return (
    <Notice kind="warning" className="mb-3">
      No language model is set up yet that could speak for an agent.{' '}
      <Link to="/setup" className="font-medium underline underline-offset-2">
        Set up a model
      </Link>
      . Until then you can only say things in their names.
    </Notice>
  );
}
