import type { Clock } from '../../base/clock.ts';
import type { Jobs } from '../../base/jobs/index.ts';
import type { Part } from '../../base/lifecycle.ts';
import type { Log } from '../../base/observability/index.ts';
import type { Storage, WriteQueries } from '../../base/storage/index.ts';
import type { Accounts, Viewer } from '../../core/accounts/index.ts';
import type { Conversations } from '../../core/conversations/index.ts';
import type { ParleyError } from '../../base/errors.ts';
import type { ResponseFlags } from './classifier/classify.ts';

/** What sessions of agents need of the rest of the house. */
export interface AgentNeeds {
  storage: Storage;
  conversations: Conversations;
  accounts: Pick<Accounts, 'user'>;
  jobs: Jobs;
  clock: Clock;
  log: Log;
  /** Where transcripts of sessions that have ended are kept for proof. Without it none is. */
  transcripts?: TranscriptKeeper;
  settings?: Partial<AgentSettings>;
}

export interface AgentSettings {
  /** What a session may do that names no limits of its own. */
  limits: SessionLimits;
  /** Milliseconds that ending a session waits for its transcript to be handed over. */
  transcriptMs: number;
  /** Sessions of this process in which agents may talk by themselves at the same time. */
  runsAtOnce: number;
}

/** Bounds within which models speak in a session: two agents never talk for ever. */
export interface SessionLimits {
  /** Replies that models may begin in it, 1 to 10,000. */
  turns: number;
  /** Messages of agents in a row, without one of a person, behind which triggering one more is skipped; 1 to 100. */
  depth: number;
  /** Milliseconds from its start after which no reply is begun; a minute to 30 days. */
  milliseconds: number;
  /** Micro-dollars (1e-6 USD) of all replies from which on none is begun. What is free, and what has no known price, counts nothing. */
  costMicros: number;
}

/** One of the two agents of a session. */
export interface Agent {
  /** `shard.realm.num`, without checksum. */
  accountId: string;
  /** What it is there for, as in `travel`; its model is told. */
  role: string;
  /** `provider/model` or a bare name; null for the default model. */
  model: string | null;
  /** What its model is told besides. */
  prompt: string | null;
}

export interface NewSession {
  /** The owner's agent, and the other one. */
  agents: readonly [NewAgent, NewAgent];
  title?: string;
  limits?: Partial<SessionLimits>;
}

export type NewAgent = Pick<Agent, 'accountId'> & Partial<Agent>;

/** What keeps transcripts for proof. What it knows of them is asked for whenever a session is shown, and kept nowhere else. */
export interface TranscriptKeeper {
  /** Sees to it, in the transaction that ends a session, that its transcript is handed over, whatever happens to this process. */
  ended(queries: WriteQueries, sessionId: string): Promise<void>;
  /** Hands the transcript of a session that has ended over, or goes on with it. Resolves when that try is over, well or not. Never throws. */
  handOver(sessionId: string): Promise<void>;
  /** How the transcripts of some sessions stand; nothing for those that were never handed over. */
  stateOf(sessionIds: readonly string[]): Promise<ReadonlyMap<string, Transcript>>;
}

/** What was said in a session that has ended, for proof. */
export interface SessionRecord {
  session: AgentSession;
  /** All of them, in order. */
  messages: AgentMessage[];
}

/** How a transcript that is kept for proof stands. */
export interface Transcript {
  /** Whether every part of it has the receipt of a public ledger. */
  submitted: boolean;
  transactions: LedgerTransaction[];
}

/** One transaction of a public ledger. */
export interface LedgerTransaction {
  transactionId: string;
  /** Where everybody can look at it; null for a network that nobody from outside can see. */
  hashscanUrl: string | null;
}

/** Agents that talk by themselves. */
export interface AgentRun {
  id: string;
  state: 'running' | 'paused' | 'ended';
  /** Replies that may still begin. */
  turnsLeft: number;
  /** Why it has ended or is paused; null while it goes on. */
  reason: RunReason | null;
}

/** Why agents do not go on talking by themselves. */
export type RunReason = 'paused' | 'stopped' | 'turns-done' | 'session-ended' | 'generation-failed' | 'not-allowed' | SkipReason;

/** A session: a conversation whose parties are two agents. */
export interface AgentSession {
  /** That of the conversation. */
  id: string;
  ownerId: string;
  title: string;
  agents: [Agent, Agent];
  status: 'active' | 'ended';
  startedAt: number;
  endedAt: number | null;
  /** Messages that were said to their end. */
  messageCount: number;
  limits: SessionLimits;
  /** Replies that models have begun. */
  turns: number;
  /** Micro-dollars (1e-6 USD) of all replies whose price is known. */
  costMicros: number;
  run: AgentRun | null;
  transcript: Transcript;
}

/** Something that an agent has said, or somebody in its name. */
export interface AgentMessage {
  id: string;
  /** Account of the agent. */
  from: string;
  text: string;
  /** When it was whole. Never goes backwards within a session. */
  at: number;
  /** `user`: a person in the agent's name. `ai`: the agent, by a model here (then `reply` is set) or elsewhere. */
  sentBy: 'user' | 'ai';
  /** How a model here made it; null for what was sent. */
  reply: ReplyFacts | null;
}

/** What is known of a reply. Figures are measured, and null where they cannot be known. */
export interface ReplyFacts extends ResponseFlags {
  /** The model that really spoke, and who ran it. */
  model: string | null;
  provider: string | null;
  /** Milliseconds from asking the model to its last event. */
  durationMs: number | null;
  /** Tokens of prompt and text. */
  tokens: number | null;
  /** Of the agent, as its model was told. */
  role: string;
}

/** Why an agent that was triggered says nothing. */
export type SkipReason = 'loop-prevention' | 'already-generating' | 'no-message-to-answer' | 'turn-limit' | 'time-limit' | 'cost-limit';

/** A page of messages: `total` counts all of the session at that moment. */
export interface MessagePage {
  messages: AgentMessage[];
  total: number;
}

/** What a client of a session is told, in the order in which it is to hear it. */
export type AgentEvent =
  | { kind: 'joined'; sessionId: string; otherAgentId: string; messageCount: number }
  | { kind: 'history'; messages: AgentMessage[] }
  | { kind: 'history-cached' }
  | { kind: 'message'; message: AgentMessage }
  | { kind: 'thinking'; agentId: string }
  | { kind: 'response'; message: AgentMessage }
  | { kind: 'skipped'; agentId: string; reason: SkipReason | 'generation-failed' }
  /** What this client triggered has failed: the others hear `skipped`. */
  | { kind: 'trigger-failed'; error: ParleyError }
  | { kind: 'streamed'; message: AgentMessage; index: number; isLast: boolean }
  | { kind: 'stream-complete'; totalMessages: number; sentCount: number; nextStartIndex: number; hasMore: boolean }
  | { kind: 'sent-on-behalf'; sessionId: string; agentId: string }
  | { kind: 'status'; session: AgentSession }
  | { kind: 'ended'; sessionId: string; transcriptSubmitted: boolean }
  | { kind: 'agent-joined'; agentId: string };

/** One connection of somebody to sessions: in one at a time, and told what happens there. Calls come one after another. */
export interface AgentClient {
  /** The agent that it has joined as, and where; null before. */
  readonly place: { sessionId: string; agentId: string } | null;
  /**
   * Joins a session as one of its agents: the owner as either, others as the second. The first time it is sent the history.
   * @throws {ParleyError} `not_found`, `forbidden`, `conflict` for one that has ended, `invalid_request`; then it stays where it is
   */
  join(sessionId: string, agentId: string): Promise<void>;
  /** The history, once for each session unless forced. @throws {ParleyError} as `Agents.get` */
  sendHistory(sessionId: string, force: boolean): Promise<void>;
  /** One batch of messages. @throws {ParleyError} as `Agents.get`, `invalid_request` */
  stream(sessionId: string, startIndex: number, batchSize: number): Promise<void>;
  /** @throws {ParleyError} as `Agents.get` */
  sendStatus(sessionId: string): Promise<void>;
  /**
   * What a person says in the name of the agent that this client has joined as.
   * @param triggersOther whether the other agent is asked for a reply @throws {ParleyError} `forbidden`, `conflict`, `empty_message`, `invalid_request`
   */
  sayOnBehalf(sessionId: string, agentId: string, text: string, triggersOther: boolean): Promise<void>;
  /** What the agent itself says. Triggers nothing. @throws {ParleyError} as `sayOnBehalf` */
  sayAsAgent(sessionId: string, agentId: string, text: string): Promise<void>;
  /** Asks the model of either agent for one reply. @throws {ParleyError} as `sayOnBehalf`, and what beginning an answer throws */
  trigger(sessionId: string, agentId: string): Promise<void>;
  /**
   * Ends the session: for its owner, who, where only the machine vouches for them, has joined as the owner's agent.
   * @throws {ParleyError} `forbidden`, `not_found`
   */
  end(sessionId: string): Promise<void>;
  /** The connection is gone: nothing of it is left. */
  close(): void;
}

/** Two agents talk in a session, within limits; people watch, speak in their names, and end it. */
export interface Agents extends Part {
  /** @throws {ParleyError} `invalid_request` for what is no account, two equal ones, or limits out of their ranges */
  create(viewer: Viewer, session: NewSession): Promise<AgentSession>;
  /** The viewer's own, the newest first. */
  list(viewer: Viewer, page: { limit: number; offset: number; status?: AgentSession['status'] }): Promise<AgentSession[]>;
  /** @throws {ParleyError} `not_found`, `forbidden` for whoever takes no part */
  get(viewer: Viewer, sessionId: string): Promise<AgentSession>;
  /** Messages in the order in which they were whole, from a place on. @throws {ParleyError} as `get` */
  messages(viewer: Viewer, sessionId: string, from: number, limit: number): Promise<MessagePage>;
  /**
   * Lets the agents talk by themselves: each answers the other, until `turns` replies are made, a limit holds, one fails, or
   * somebody pauses or stops it. Goes on behind a restart, on whatever instance.
   * @param run.turns replies, 1 to 100 @param run.message said first, in the name of the owner's agent
   * @throws {ParleyError} `conflict` when they talk already, the session has ended, or nothing was said yet; `forbidden`
   */
  run(viewer: Viewer, sessionId: string, run: { turns?: number; message?: string }): Promise<AgentSession>;
  /** Lets the reply in the making end, and goes on with `run`. @throws {ParleyError} `conflict` when they do not talk */
  pauseRun(viewer: Viewer, sessionId: string): Promise<AgentSession>;
  /** Ends the run, and breaks off the reply in the making. One that is over stays as it is. */
  stopRun(viewer: Viewer, sessionId: string): Promise<AgentSession>;
  /**
   * Ends the session for good, and hands its transcript over; ended once more it tries that again, if it has failed.
   * @throws {ParleyError} as `get`; `forbidden` for anyone but the owner
   */
  end(viewer: Viewer, sessionId: string): Promise<AgentSession>;
  /** What was said in a session that has ended; null for one that has not, or is gone. Without permission checks: for callers inside the server. */
  record(sessionId: string): Promise<SessionRecord | null>;
  /** Begins a connection of somebody, which `tell` reaches. */
  connect(viewer: Viewer, tell: (event: AgentEvent) => void | Promise<void>): AgentClient;
  /** Connections that are in a session now. */
  readonly joined: number;
  /** Transcripts that are being handed over by this process. */
  readonly pendingTranscripts: number;
}
