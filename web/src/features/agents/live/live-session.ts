import { ApiError } from '../../../shared/api/index.ts';
import type { AgentMessage } from '../types.ts';

/** The part of a Socket.IO client that a live session uses. */
export interface LiveSocket {
  on(event: string, listener: (payload: never) => void): unknown;
  /** The next event fails when it is not answered within so many milliseconds. */
  timeout(ms: number): { emit(event: string, payload: unknown, acknowledge: (error: Error | null, answer: Acknowledgement) => void): unknown };
  /** Whether it comes back by itself. */
  readonly active: boolean;
  connect(): unknown;
  disconnect(): unknown;
}

/** What the server answers to each event. */
export interface Acknowledgement {
  ok?: boolean;
  error?: string;
  code?: string;
}

/** Something that happened beside the messages. */
export type Note = { kind: 'skipped'; agentId: string; reason: string } | { kind: 'failed'; message: string };

/** What there is to see of a session now. A new object for each change. */
export interface LiveView {
  /** `lost`: it was there and comes back by itself. `refused`: the session cannot be joined. */
  phase: 'connecting' | 'open' | 'lost' | 'refused';
  /** Why it is refused. */
  problem: string | null;
  /** In the order in which they were whole; null before the first history. */
  messages: readonly AgentMessage[] | null;
  /** Agents of which a reply is being made. */
  thinking: readonly string[];
  /** The last thing that kept an agent from answering; null once something is said. */
  note: Note | null;
  /** Whether the viewer may speak for both agents, let them talk and end it. */
  isOwner: boolean;
}

/** Milliseconds before connecting again where the client does not do so by itself. */
const againAfterMs = 3000;
/** Milliseconds within which each event is answered. */
const answerWithinMs = 20_000;

/**
 * A session as it happens. It joins with every connection anew, and each time is sent the whole history: what was missed
 * is there again, and nothing twice. It speaks as one agent at a time, so it joins as the one that is to say something.
 */
export class LiveSession {
  private readonly sessionId: string;
  private readonly agentIds: readonly [string, string];
  private readonly socket: LiveSocket;
  private readonly onChange: () => void;
  private readonly listeners = new Set<() => void>();
  private joinedAs: string | null = null;
  private isClosed = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  view: LiveView = { phase: 'connecting', problem: null, messages: null, thinking: [], note: null, isOwner: true };

  /** @param onChange something happened that the session itself (its figures, its run) may say more of */
  constructor(sessionId: string, agentIds: readonly [string, string], socket: LiveSocket, onChange: () => void) {
    this.sessionId = sessionId;
    this.agentIds = agentIds;
    this.socket = socket;
    this.onChange = onChange;
    this.listen();
    socket.connect();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  /** Says something in the name of an agent. @throws {ApiError} with the server's sentence */
  async say(agentId: string, message: string, triggersOther: boolean): Promise<void> {
    await this.opened();
    await this.joinAs(agentId);
    await this.ask('user-send-message-on-behalf', { sessionId: this.sessionId, agentId, message, triggerAI: triggersOther });
  }

  /** Asks the model of an agent for one reply. @throws {ApiError} with the server's sentence */
  async trigger(agentAccountId: string): Promise<void> {
    await this.opened();
    await this.ask('trigger-ai-response', { sessionId: this.sessionId, agentAccountId });
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.socket.disconnect();
  }

  private listen(): void {
    const { socket } = this;
    socket.on('connect', () => void this.join());
    socket.on('disconnect', () => this.lose());
    socket.on('connect_error', () => this.lose());
    socket.on('conversation-history', (messages: AgentMessage[]) => this.show({ messages, note: null }));
    socket.on('new-message', (message: AgentMessage) => this.hear(message));
    socket.on('ai-response-generated', (message: AgentMessage) => this.hear(message));
    socket.on('ai-thinking', ({ agentId }: { agentId: string }) => this.show({ thinking: [...this.view.thinking.filter((one) => one !== agentId), agentId], note: null }));
    socket.on('ai-skip', ({ agentId, reason }: { agentId: string; reason: string }) => {
      // One that is answering already goes on; every other reason means that no reply comes.
      const thinking = reason === 'already-generating' ? this.view.thinking : this.view.thinking.filter((one) => one !== agentId);
      this.show({ thinking, note: { kind: 'skipped', agentId, reason } });
      this.onChange();
    });
    socket.on('error', ({ code, message }: { code: string; message: string }) => {
      // Everything else is told to whoever asked.
      if (code !== 'AI_TRIGGER_ERROR') return;
      this.show({ thinking: [], note: { kind: 'failed', message } });
      this.onChange();
    });
    socket.on('session-ended', () => {
      this.show({ thinking: [] });
      this.onChange();
    });
  }

  private hear(message: AgentMessage): void {
    if (this.view.messages === null) return;
    this.show({ messages: [...this.view.messages, message], thinking: this.view.thinking.filter((one) => one !== message.from || message.metadata.sentBy !== undefined), note: null });
    this.onChange();
  }

  private lose(): void {
    this.joinedAs = null;
    if (this.isClosed) return;
    this.show({ phase: this.view.messages === null ? 'connecting' : 'lost', thinking: [] });
    // Whether one is still signed in, and whether the session is still there.
    this.onChange();
    if (this.socket.active) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.socket.connect(), againAfterMs);
  }

  /** As the first agent, which only its owner may; everybody else as the second. */
  private async join(): Promise<void> {
    const [own, other] = this.agentIds;
    try {
      await this.joinAs(own).then(
        () => this.show({ phase: 'open', problem: null, isOwner: true }),
        async (reason: unknown) => {
          if (!(reason instanceof Refusal) || reason.code !== 'forbidden') throw reason;
          await this.joinAs(other);
          this.show({ phase: 'open', problem: null, isOwner: false });
        },
      );
      this.onChange();
    } catch (reason) {
      if (reason instanceof Refusal) this.show({ phase: 'refused', problem: reason.message });
      this.onChange();
    }
  }

  /** What is asked while the connection is being made waits for it. @throws {ApiError} when that takes too long or is refused */
  private opened(): Promise<void> {
    if (this.view.phase === 'open') return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        stop();
        reject(new ApiError('The server cannot be reached.', 0));
      }, answerWithinMs);
      const stop = this.subscribe(() => {
        const { phase, problem } = this.view;
        if (phase !== 'open' && phase !== 'refused') return;
        clearTimeout(timer);
        stop();
        if (phase === 'open') resolve();
        else reject(new ApiError(problem ?? 'You may not do this.', 403));
      });
    });
  }

  private async joinAs(agentAccountId: string): Promise<void> {
    if (this.joinedAs === agentAccountId) return;
    await this.ask('agent-join-session', { sessionId: this.sessionId, agentAccountId });
    this.joinedAs = agentAccountId;
  }

  private ask(event: string, payload: object): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.timeout(answerWithinMs).emit(event, payload, (late, answer) => {
        if (late) reject(new ApiError('The server did not answer in time.', 0));
        else if (answer.error === undefined) resolve();
        else reject(new Refusal(answer.error, answer.code ?? ''));
      });
    });
  }

  private show(change: Partial<LiveView>): void {
    this.view = { ...this.view, ...change };
    for (const listener of this.listeners) listener();
  }
}

/** The server does not do what it was asked. The message is for a person. */
export class Refusal extends ApiError {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message, 400);
    this.name = 'Refusal';
    this.code = code;
  }
}
