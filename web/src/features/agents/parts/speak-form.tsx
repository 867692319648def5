import { ArrowUp } from 'lucide-react';
import { useState, type FormEvent } from 'react';
import { messageOf } from '../../../shared/api/index.ts';
import { GrowingTextArea, Notice } from '../../../shared/ui/index.ts';
import type { LiveSession } from '../live/live-session.ts';
import type { Agent, AgentSession } from '../types.ts';
import { capital, nameOf } from '../words.ts';

/** Characters of a message. */
const longest = 50_000;

interface SpeakFormProps {
  session: AgentSession;
  live: LiveSession;
  /** The session can be joined at all. */
  mayJoin: boolean;
  isOwner: boolean;
  draft: string;
  onDraft: (text: string) => void;
}

/** Says something in the name of an agent, and asks either for a reply. */
export function SpeakForm({ session, live, mayJoin, isOwner, draft, onDraft }: SpeakFormProps) {
  const [chosen, setChosen] = useState(0);
  const [triggers, setTriggers] = useState(true);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const speaker = session.agents[isOwner ? chosen : 1]!;
  const other = session.agents.find((agent) => agent !== speaker)!;
  const canSend = mayJoin && !isBusy && draft.trim() !== '' && draft.length <= longest;
  const attempt = (work: () => Promise<void>): void => {
    setBusy(true);
    setError(null);
    work().catch((reason: unknown) => setError(messageOf(reason))).finally(() => setBusy(false));
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (!canSend) return;
    attempt(async () => {
      await live.say(speaker.agentId, draft, triggers);
      onDraft('');
    });
  };
  return (
    <form onSubmit={submit} aria-label="Step in">
      {error && <Notice kind="error" className="mb-2">{error}</Notice>}
      <div className="rounded-2xl border border-line-strong/60 bg-raised p-2 focus-within:border-accent">
        {isOwner && <Speakers session={session} chosen={chosen} onChoose={setChosen} />}
        <div className="flex items-end gap-1.5">
          <div className="min-w-0 flex-1">
            <GrowingTextArea label={`Message as ${nameOf(session, speaker.agentId)}`} placeholder={`Say something as ${nameOf(session, speaker.agentId)}…`} value={draft} onChange={onDraft} onEnter={submit} />
          </div>
          <button type="submit" aria-label="Send" title="Send (Enter)" disabled={!canSend} className="inline-flex size-9 shrink-0 items-center justify-center rounded-full bg-accent text-on-accent transition-colors hover:bg-accent-strong disabled:bg-panel disabled:text-soft">
            <ArrowUp aria-hidden size={18} />
          </button>
        </div>
      </div>
      <div className="mt-1.5 flex flex-wrap items-center gap-x-4 gap-y-1 px-1 text-xs text-soft">
        <label className="flex min-h-7 items-center gap-2">
          <input type="checkbox" className="size-4 accent-(--accent)" checked={triggers} onChange={(event) => setTriggers(event.target.checked)} />
          {capital(nameOf(session, other.agentId))} answers
        </label>
        <span className="ml-auto flex flex-wrap gap-x-3">
          {session.agents.map((agent) => (
            <TriggerButton key={agent.agentId} name={nameOf(session, agent.agentId)} isDisabled={!mayJoin || isBusy || session.messageCount === 0} onTrigger={() => attempt(() => live.trigger(agent.agentId))} />
          ))}
        </span>
      </div>
    </form>
  );
}

function TriggerButton({ name, isDisabled, onTrigger }: { name: string; isDisabled: boolean; onTrigger: () => void }) {
  return (
    <button type="button" className="min-h-7 font-medium text-accent underline underline-offset-2 disabled:text-soft disabled:no-underline" disabled={isDisabled} onClick={onTrigger}>
      Let {name} answer
    </button>
  );
}

/** In whose name is spoken. */
function Speakers({ session, chosen, onChoose }: { session: AgentSession; chosen: number; onChoose: (at: number) => void }) {
  return (
    <fieldset className="mb-1 flex min-w-0 flex-wrap gap-1 px-1 text-xs">
      <legend className="sr-only">In whose name</legend>
      {session.agents.map((agent: Agent, at) => (
        <label key={agent.agentId} className={`max-w-full cursor-pointer truncate rounded-full border px-2.5 py-1 has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-offset-2 has-[:focus-visible]:outline-accent ${chosen === at ? 'border-accent bg-accent-soft font-medium' : 'border-line text-soft hover:border-line-strong'}`}>
          <input type="radio" name="speaker" className="sr-only" checked={chosen === at} onChange={() => onChoose(at)} />
          As {nameOf(session, agent.agentId)}
        </label>
      ))}
    </fieldset>
  );
}
