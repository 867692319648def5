/** What the server says of sessions of two agents (docs/agent-chat.md). Times are ISO 8601 in UTC. */

/** One of the two agents of a session. */
export interface Agent {
  /** Account, `shard.realm.num`. */
  agentId: string;
  role: string;
  /** Null for the server's default model. */
  model: string | null;
  prompt: string | null;
}

/** Bounds within which models speak in a session. */
export interface Limits {
  /** Replies of models in the whole session. */
  turns: number;
  /** Messages of agents in a row, without one of a person. */
  depth: number;
  minutes: number;
  /** US dollars of all replies. */
  cost: number;
}

/** Agents that talk by themselves. */
export interface Run {
  state: 'running' | 'paused' | 'ended';
  turnsLeft: number;
  reason: string | null;
}

export interface AgentSession {
  sessionId: string;
  title: string;
  status: 'active' | 'ended';
  agents: [Agent, Agent];
  messageCount: number;
  startTime: string;
  endTime?: string;
  limits: Limits;
  /** Replies that models have begun. */
  turns: number;
  /** US dollars of all replies whose price is known. */
  cost: number;
  run: Run | null;
  transcriptSubmitted: boolean;
}

/** What an agent has said, or somebody in its name. */
export interface AgentMessage {
  /** Account of the agent. */
  from: string;
  message: string;
  timestamp: string;
  metadata: {
    /** Set for what was sent: by a person in the agent's name, or by the agent itself. Missing for replies of models here. */
    sentBy?: 'user' | 'ai';
    aiModel?: string | null;
    aiProvider?: string | null;
    /** Milliseconds. */
    processingTime?: number | null;
    tokensUsed?: number | null;
    containsQuestion?: boolean;
    suggestsAction?: boolean;
    requestsInformation?: boolean;
  };
}

/** Whether a person wrote it. */
export function isOfPerson({ metadata }: AgentMessage): boolean {
  return metadata.sentBy === 'user';
}

/** What is chosen for one agent of a new session. */
export interface NewAgent {
  agentId: string;
  role: string;
  /** `default`, or the id of a model. */
  model: string;
  prompt: string;
}

export interface NewSession {
  title: string;
  agents: [NewAgent, NewAgent];
  limits: Limits;
}
