import { ApiError, messageOf, type Chat, type Message } from '../../../shared/api/index.ts';
import type { ClientFrame, ServerFrame } from './frames.ts';
import { Outbox, type Outgoing, type TextStorage } from './outbox.ts';
import type { Path } from './path.ts';
import { ChatSocket, type Link, type SocketLike, type SocketListener } from './socket.ts';
import { isOpen } from './status.ts';
import { Timeline } from './timeline.ts';
import { Typists, type Typist } from './typing.ts';

/** What a conversation needs of the world; the page gives the real ones, tests their own. */
export interface ConversationParts {
  /** @param limit messages of the page; left out, as many as are shown at first */
  fetchPage(chatId: string, offset: number, limit?: number): Promise<{ chat: Chat; messages: Message[]; participant_count?: number }>;
  sendMessage(chatId: string, content: string, key: string, images: readonly string[]): Promise<{ message: Message; answer: Message | null }>;
  openSocket(chatId: string, listener: SocketListener): SocketLike;
  storage: TextStorage;
  newKey(): string;
  spread(): number;
  /** Calls back soon, at most once a frame: many pieces are drawn together. */
  schedule(callback: () => void): void;
  /** The chat changed (its title, its order in the list); null when it was deleted. */
  onChat(chat: Chat | null): void;
  /** Somebody came, left, or got another role. */
  onPeople?(): void;
  /** The server does not know this browser any more. */
  onSignedOut(): void;
}

/** What is shown of a conversation beside its messages. Never changed in place. */
export interface View {
  readonly phase: 'loading' | 'ready' | 'failed' | 'forbidden' | 'gone';
  /** Why it could not be loaded, for a person. */
  readonly error: string | null;
  readonly chat: Chat | null;
  readonly path: Path;
  /** Whether there are older messages than those loaded. */
  readonly hasOlder: boolean;
  readonly isLoadingOlder: boolean;
  readonly link: Link;
  readonly outgoing: readonly Outgoing[];
  /** Id of the answer being made; null when there is none. */
  readonly runningId: string | null;
  /** Answers being made and waiting. */
  readonly openCount: number;
  /** People who take part; 1 until it is known. */
  readonly peopleCount: number;
  /** Who is typing, the reader perhaps among them. */
  readonly typing: readonly Typist[];
}

/** Milliseconds between two requests for the same missing piece. */
const attachPauseMs = 2000;

/** One open conversation: its messages, its socket, and what is on its way. The React side only draws it. */
export class Conversation {
  readonly chatId: string;
  private readonly parts: ConversationParts;
  private readonly timeline = new Timeline();
  private readonly socket: ChatSocket;
  private readonly outbox: Outbox;
  private readonly typists = new Typists(() => this.publish());
  private readonly viewListeners = new Set<() => void>();
  private readonly messageListeners = new Map<string, Set<() => void>>();
  private readonly changed = new Set<string>();
  /** Messages heard of while one is being sent, whose place is not known. */
  private readonly unplaced = new Set<string>();
  private readonly attachedAt = new Map<string, number>();
  private current: View;
  /** What those who draw were told last. */
  private published: View | undefined;
  private isScheduled = false;
  private isStopped = false;
  private sync: { again: boolean } | null = null;
  private older: Promise<void> | null = null;

  constructor(chatId: string, parts: ConversationParts) {
    this.chatId = chatId;
    this.parts = parts;
    this.socket = new ChatSocket({
      open: (listener) => parts.openSocket(chatId, listener),
      spread: parts.spread,
      onFrame: (frame) => this.receive(frame),
      onLink: (link) => this.linked(link),
    });
    this.outbox = new Outbox({
      name: `outbox.${chatId}`,
      storage: parts.storage,
      newKey: parts.newKey,
      deliver: (entry) => this.deliver(entry),
      onChange: () => this.publish(),
    });
    this.current = {
      phase: 'loading', error: null, chat: null, path: [], hasOlder: false, isLoadingOlder: false,
      link: { kind: 'connecting' }, outgoing: this.outbox.entries, runningId: null, openCount: 0, peopleCount: 1, typing: [],
    };
  }

  start(): void {
    this.socket.start();
    void this.refresh();
    this.outbox.resume();
  }

  stop(): void {
    this.isStopped = true;
    this.typists.stop();
    this.socket.stop();
  }

  get view(): View {
    return this.current;
  }

  message(id: string): Message | undefined {
    return this.timeline.message(id);
  }

  subscribe(listener: () => void): () => void {
    this.viewListeners.add(listener);
    return () => void this.viewListeners.delete(listener);
  }

  subscribeMessage(id: string, listener: () => void): () => void {
    const listeners = this.messageListeners.get(id) ?? new Set();
    this.messageListeners.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.messageListeners.delete(id);
    };
  }

  send(content: string, images: readonly string[] = []): void {
    this.outbox.add(content, images);
  }

  retry(key: string): void {
    this.outbox.retry(key);
  }

  discard(key: string): void {
    this.outbox.remove(key);
  }

  /** The network may be back, or somebody looks again. */
  hurry(): void {
    this.socket.hurry();
  }

  /** Takes what a request answered with: messages that were just made, oldest first. */
  takeMade(...messages: (Message | null)[]): void {
    for (const message of messages) if (message) this.add(message);
    this.publish();
  }

  /** Takes the chat as a request has changed it. */
  takeChat(chat: Chat): void {
    // A page on its way was read before this change.
    if (this.sync) this.sync.again = true;
    this.show({ chat: { ...this.current.chat, ...chat } });
  }

  /** Takes a newer copy of a message. */
  takeMessage(message: Message): void {
    this.changed.add(this.timeline.store(message));
    this.publish();
  }

  /** Reads the newest page again: what is shown is then what the server has. */
  async refresh(): Promise<void> {
    if (this.sync) {
      this.sync.again = true;
      return;
    }
    this.sync = { again: true };
    try {
      // Messages made while the page was on its way are missing in it: then it is read once more.
      while (this.sync.again && !this.isStopped) {
        this.sync.again = false;
        const { chat, messages, participant_count: peopleCount = 1 } = await this.parts.fetchPage(this.chatId, 0);
        if (this.sync.again) continue;
        for (const id of this.timeline.takeNewest(messages)) this.changed.add(id);
        this.show({ phase: 'ready', error: null, chat, peopleCount });
        this.parts.onChat(chat);
        this.attachAll();
      }
    } catch (error) {
      this.failed(error);
    } finally {
      this.sync = null;
    }
  }

  /** Fetches older messages; while some are on their way, waits for those. */
  loadOlder(limit?: number): Promise<void> {
    if (!this.current.hasOlder) return Promise.resolve();
    this.older ??= this.fetchOlder(limit).finally(() => {
      this.older = null;
    });
    return this.older;
  }

  private async fetchOlder(limit?: number): Promise<void> {
    this.show({ isLoadingOlder: true });
    try {
      const { messages } = await this.parts.fetchPage(this.chatId, this.timeline.path.length, limit);
      this.timeline.takeOlder(messages);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Stays as it is: scrolling up again tries again, and the line about the connection says what is wrong.
    } finally {
      this.show({ isLoadingOlder: false });
    }
  }

  private async deliver({ content, key, images }: Outgoing): Promise<void> {
    let message: Message;
    try {
      const sent = await this.parts.sendMessage(this.chatId, content, key, images);
      message = sent.message;
      this.takeMade(message, sent.answer);
    } finally {
      // What was not of this message is somebody else's, or another tab's.
      if ([...this.unplaced].some((id) => !this.timeline.path.includes(id))) void this.refresh();
      this.unplaced.clear();
    }
    this.parts.onChat(this.current.chat && { ...this.current.chat, last_activity_at: message.created_at });
  }

  private linked(link: Link): void {
    if (link.kind === 'ended' && link.why === 'signed-out') this.parts.onSignedOut();
    // Taken out of it, or it is gone: the list must not show it any longer.
    else if (link.kind === 'ended') this.parts.onChat(null);
    this.show({ link, ...(link.kind === 'ended' && link.why !== 'signed-out' ? { phase: link.why } : {}) });
    if (link.kind !== 'live') return;
    // Whatever happened without a connection is read, then what is being made is followed from there.
    this.attachedAt.clear();
    void this.refresh().then(() => this.outbox.retryOffline());
  }

  private receive(frame: ServerFrame): void {
    switch (frame.type) {
      case 'new_message':
        // One's own comes with the answer to its request, which also says where it stands.
        this.typists.remove(frame.message.sender_id);
        if (!this.timeline.message(frame.message.id)) this.findPlace(frame.message.id);
        return;
      case 'ai_response_start':
        this.add({ ...frame.message, content: '', reasoning: null, last_event_seq: 0 });
        break;
      case 'ai_response_complete':
        this.completed(frame.message);
        break;
      case 'ai_response_chunk':
      case 'ai_reasoning_chunk':
        this.grow(frame);
        return;
      case 'ai_error':
        void this.refresh();
        return;
      case 'branch_changed':
        if (frame.head_id !== this.timeline.path.at(-1)) void this.refresh();
        return;
      case 'chat_updated':
        this.takeChat(frame.chat);
        this.parts.onChat(frame.chat);
        return;
      case 'chat_deleted':
        this.show({ phase: 'gone' });
        this.parts.onChat(null);
        return;
      case 'typing_indicator':
        this.typists.heard({ userId: frame.user_id, username: frame.username });
        return;
      case 'participant_left':
        this.typists.remove(frame.user_id);
        this.peopleChanged(-1);
        return;
      case 'participant_joined':
        this.peopleChanged(1);
        return;
      case 'participant_changed':
        this.peopleChanged(0);
        return;
      case 'welcome':
      case 'pong':
        return;
    }
    this.publish();
  }

  private peopleChanged(by: number): void {
    this.show({ peopleCount: Math.max(1, this.current.peopleCount + by) });
    this.parts.onPeople?.();
  }

  /** A message stands somewhere that is not known here: the branch is read again, unless a request under way will say it. */
  private findPlace(messageId: string): void {
    if (this.outbox.isSending) this.unplaced.add(messageId);
    else void this.refresh();
  }

  private add(message: Message): void {
    if (this.sync) this.sync.again = true;
    if (!this.timeline.place(message)) this.findPlace(message.id);
    this.changed.add(message.id);
  }

  /** An answer is at its end. One whose place is not known yet is kept until the answer to its request says it. */
  private completed(message: Message): void {
    if (!this.timeline.message(message.id)) this.findPlace(message.id);
    this.changed.add(this.timeline.store(message));
    if (this.current.chat) this.parts.onChat({ ...this.current.chat, last_activity_at: message.ended_at ?? message.created_at });
  }

  private grow(frame: Extract<ServerFrame, { type: 'ai_response_chunk' | 'ai_reasoning_chunk' }>): void {
    const kind = frame.type === 'ai_response_chunk' ? 'text' : 'reasoning';
    const outcome = this.timeline.grow(frame.message_id, { kind, text: frame.chunk, offset: frame.offset, seq: frame.seq });
    if (outcome === 'unknown') this.findPlace(frame.message_id);
    // From its beginning: which of its kinds of text has the hole is not known by the seq alone.
    if (outcome === 'gap') this.attach(frame.message_id, 0);
    if (outcome !== 'applied') return;
    this.changed.add(frame.message_id);
    this.publishSoon();
  }

  private attachAll(): void {
    for (const message of this.timeline.openAnswers()) if (message.status === 'PROCESSING') this.attach(message.id, message.last_event_seq);
  }

  /** Asks for everything of an answer behind an event. What comes twice by this is told apart by its offset. */
  private attach(messageId: string, afterSeq: number): void {
    const message = this.timeline.message(messageId);
    const last = this.attachedAt.get(messageId);
    if (!message || !isOpen(message.status) || (last !== undefined && Date.now() - last < attachPauseMs)) return;
    const frame: ClientFrame = { type: 'attach', message_id: messageId, after_seq: afterSeq };
    if (this.current.link.kind === 'live' && this.socket.send(frame)) this.attachedAt.set(messageId, Date.now());
  }

  private failed(error: unknown): void {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) this.show({ phase: 'gone' });
    else if (error.status === 403) this.show({ phase: 'forbidden' });
    // What is on the screen already stays; the line about the connection says the rest.
    else if (this.current.phase !== 'ready') this.show({ phase: 'failed', error: messageOf(error) });
  }

  private show(changes: Partial<View>): void {
    this.current = { ...this.current, ...changes };
    this.publish();
  }

  private publishSoon(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.parts.schedule(() => {
      this.isScheduled = false;
      this.publish();
    });
  }

  /** Tells those who draw what changed: the view, and each message to its own listeners only. */
  private publish(): void {
    if (this.isStopped) return;
    const { timeline, current } = this;
    const running = timeline.running?.id ?? null;
    const openCount = timeline.openAnswers().length;
    const next: View = { ...current, path: timeline.path, hasOlder: !timeline.isComplete, outgoing: this.outbox.entries, runningId: running, openCount, typing: this.typists.entries };
    if ((Object.keys(next) as (keyof View)[]).some((key) => next[key] !== this.published?.[key])) {
      this.current = next;
      this.published = next;
      for (const listener of this.viewListeners) listener();
    } else {
      this.current = this.published ?? next;
    }
    const ids = [...this.changed];
    this.changed.clear();
    for (const id of ids) for (const listener of this.messageListeners.get(id) ?? []) listener();
  }
}
