import type { Agent } from '../types.ts';
import { capital } from '../words.ts';

interface AgentCardProps {
  agent: Agent;
  name: string;
  modelName: string;
  isThinking: boolean;
  /** The second agent stands on the right. */
  isSecond: boolean;
}

/** One of the two agents: its role, its model, and whether it is about to say something. */
export function AgentCard({ agent, name, modelName, isThinking, isSecond }: AgentCardProps) {
  return (
    <div className={`flex min-w-0 items-center gap-2.5 rounded-xl px-3 py-2 ${isSecond ? 'flex-row-reverse bg-bubble text-right' : 'bg-panel'}`} title={agent.prompt ?? undefined}>
      <span aria-hidden className={`flex size-8 shrink-0 items-center justify-center rounded-full text-sm font-semibold ${isSecond ? 'bg-accent text-on-accent' : 'border border-line-strong/60 bg-raised'}`}>
        {name.charAt(0).toUpperCase()}
      </span>
      <div className="min-w-0">
        <p className="truncate text-sm font-medium">{capital(name)}</p>
        <p className="truncate text-xs text-soft">{isThinking ? 'is answering…' : `${modelName} · ${agent.agentId}`}</p>
      </div>
    </div>
  );
}
