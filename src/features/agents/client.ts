import { ParleyError, type ErrorCode } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { partyOf, type ConversationEvent, type Message } from '../../core/conversations/index.ts';
import { accountId } from './account-ids.ts';
import { Skipped } from './deciding.ts';
import type { Ending } from './ending.ts';
import { mostInBatch, mostMessages } from './limits.ts';
import { isBehind, isReply, openSession, readSaid, unnamedOf, type Place } from './rows.ts';
import { agentsOf, reply, say } from './speaking.ts';
import type { AgentClient, AgentEvent, AgentNeeds, AgentSession, SkipReason } from './types.ts';

/** Sessions of which a connection remembers that it was sent their history. */
const mostRemembered = 1000;

export interface ClientParts extends AgentNeeds {
  ending: Ending;
  /** Connections that are in a session. */
  joined: Set<SessionClient>;
}

/** What a connection is in. */
interface Seat {
  session: AgentSession;
  agentId: string;
  /** What was whole up to here is known to the client. */
  told: Place;
  /** It was told that the session has ended. */
  isOver: boolean;
  stop: () => void;
}

/**
 * One connection of somebody to sessions of agents. It keeps the order in which things are told: what happens while the client
 * is being answered waits behind the answer. It is in one session at a time.
 */
export class SessionClient implements AgentClient {
  private readonly parts: ClientParts;
  private readonly viewer: Viewer;
  private readonly tell: (event: AgentEvent) => void | Promise<void>;
  private seat: Seat | null = null;
  private readonly historySent = new Set<string>();
  private readonly everJoined = new Set<string>();
  /** Replies that this client has triggered: it hears why one fails. */
  private readonly own = new Set<string>();
  private readonly thinking = new Set<string>();
  /** Replies that were told before it was told that they have ended. */
  private readonly said = new Set<string>();
  private received: ConversationEvent[] = [];
  /** What the client is answered goes first. */
  private isHeld = false;
  private isPumping = false;
  /** Resolves when what is being told has been told. */
  private pumping: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(parts: ClientParts, viewer: Viewer, tell: (event: AgentEvent) => void | Promise<void>) {
    this.parts = parts;
    this.viewer = viewer;
    this.tell = tell;
  }

  get place(): { sessionId: string; agentId: string } | null {
    return this.seat && { sessionId: this.seat.session.id, agentId: this.seat.agentId };
  }

  async join(sessionId: string, agent: string): Promise<void> {
    const agentId = accountId(agent);
    const session = await openSession(this.parts, this.viewer, sessionId);
    const { other } = agentsOf(session, agentId);
    if (session.status === 'ended') throw new ParleyError('conflict', { message: 'The session has ended.' });
    if (session.ownerId !== this.viewer.userId && agentId !== session.agents[1].accountId) throw new ParleyError('forbidden', { message: `${agentId} is the agent of the session's owner.` });
    await this.holding(async () => {
      if (this.seat?.session.id !== session.id) await this.sitDown(session, agentId);
      else this.seat.agentId = agentId;
      if (this.isClosed) return this.leave();
      const isNew = !this.historySent.has(session.id);
      const messages = isNew ? await this.history(session) : null;
      const messageCount = messages?.length ?? session.messageCount;
      await this.tell({ kind: 'joined', sessionId: session.id, otherAgentId: other.accountId, messageCount });
      if (messages) await this.tell({ kind: 'history', messages });
      if (!this.everJoined.has(session.id)) this.parts.conversations.note(session.id, { kind: 'joined', agentId, client: this.id });
      remember(this.everJoined, session.id);
    });
  }

  async sendHistory(sessionId: string, force: boolean): Promise<void> {
    const session = await openSession(this.parts, this.viewer, sessionId);
    if (this.historySent.has(session.id) && !force) return void (await this.tell({ kind: 'history-cached' }));
    await this.holding(async () => this.tell({ kind: 'history', messages: await this.history(session) }));
  }

  async stream(sessionId: string, startIndex: number, batchSize: number): Promise<void> {
    if (!Number.isInteger(startIndex) || startIndex < 0) throw new ParleyError('invalid_request', { message: 'startIndex must be a whole number from 0 on.', parameter: 'startIndex' });
    if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > mostInBatch) throw new ParleyError('invalid_request', { message: `batchSize must be a whole number from 1 to ${mostInBatch}.`, parameter: 'batchSize' });
    const session = await openSession(this.parts, this.viewer, sessionId);
    const total = session.messageCount;
    const start = Math.min(startIndex, total);
    const messages = await readSaid(this.parts.storage.read, session, { offset: start, limit: Math.min(batchSize, total - start) });
    await this.holding(async () => {
      for (const [at, { message }] of messages.entries()) await this.tell({ kind: 'streamed', message, index: start + at, isLast: start + at === total - 1 });
      const next = start + messages.length;
      await this.tell({ kind: 'stream-complete', totalMessages: total, sentCount: messages.length, nextStartIndex: next, hasMore: next < total });
    });
  }

  async sendStatus(sessionId: string): Promise<void> {
    await this.tell({ kind: 'status', session: await openSession(this.parts, this.viewer, sessionId) });
  }

  async sayOnBehalf(sessionId: string, agent: string, text: string, triggersOther: boolean): Promise<void> {
    const { session, agentId } = this.seated(sessionId, agent);
    await this.holding(async () => {
      await say(this.parts, this.viewer, session, { agentId, text, sentBy: 'user' });
      await this.tell({ kind: 'sent-on-behalf', sessionId: session.id, agentId });
      if (!triggersOther) return;
      // Behind the message, for everybody: what goes wrong now does not unsay it.
      await this.begin(session, agentsOf(session, agentId).other.accountId).catch((thrown: unknown) => this.noteFailure(session, thrown));
    });
  }

  async sayAsAgent(sessionId: string, agent: string, text: string): Promise<void> {
    const { session, agentId } = this.seated(sessionId, agent);
    await say(this.parts, this.viewer, session, { agentId, text, sentBy: 'ai' });
  }

  async trigger(sessionId: string, agent: string): Promise<void> {
    const { session } = this.seated(sessionId);
    const agentId = accountId(agent);
    await this.holding(() => this.begin(session, agentId));
  }

  async end(sessionId: string): Promise<void> {
    const { session, agentId } = this.seated(sessionId);
    if (this.viewer.via === 'local-trust' && agentId !== session.agents[0].accountId) throw new ParleyError('forbidden', { message: 'Only the session owner can end the session' });
    const ended = await this.parts.ending.end(this.viewer, session.id);
    // Everybody hears it the first time; once more only who asks.
    if (!ended.hasEndedNow) await this.tell({ kind: 'ended', sessionId: session.id, transcriptSubmitted: ended.session.transcript.submitted });
  }

  close(): void {
    this.isClosed = true;
    this.leave();
    this.historySent.clear();
    this.everJoined.clear();
  }

  /** Names this client in what it tells of itself. */
  private readonly id = crypto.randomUUID();

  /** @throws {ParleyError} `forbidden` for who has not joined, or, where an agent is named, has joined as another */
  private seated(sessionId: string, agent?: string): Seat {
    if (this.seat?.session.id !== sessionId) throw new ParleyError('forbidden', { message: 'Join the session first.' });
    if (agent !== undefined && accountId(agent) !== this.seat.agentId) throw new ParleyError('forbidden', { message: `You have joined as ${this.seat.agentId}.` });
    return this.seat;
  }

  private async sitDown(session: AgentSession, agentId: string): Promise<void> {
    let seat: Seat | null = null;
    // What comes while it still sits elsewhere waits.
    const early: ConversationEvent[] = [];
    const stop = await this.parts.conversations.watch(this.viewer, session.id, (event) => {
      if (seat === null) early.push(event);
      else if (this.seat === seat) this.receive(event);
    });
    this.leave();
    const [newest] = await readSaid(this.parts.storage.read, session, { limit: 1, newestFirst: true });
    seat = { session, agentId, told: newest?.place ?? { at: 0, seq: 0 }, isOver: false, stop };
    this.seat = seat;
    this.received = early;
    this.parts.joined.add(this);
  }

  private leave(): void {
    this.seat?.stop();
    this.seat = null;
    this.received = [];
    this.own.clear();
    this.thinking.clear();
    this.said.clear();
    this.parts.joined.delete(this);
  }

  /** All messages; those of the session that the client is in are known to it from now on. */
  private async history(session: AgentSession) {
    const placed = await readSaid(this.parts.storage.read, session, { limit: mostMessages * 2 });
    const last = placed.at(-1)?.place;
    if (last && this.seat?.session.id === session.id && isBehind(last, this.seat.told)) this.seat.told = last;
    remember(this.historySent, session.id);
    return placed.map(({ message }) => message);
  }

  private async begin(session: AgentSession, agentId: string): Promise<void> {
    try {
      const answer = await reply(this.parts, this.viewer, session, agentId, null);
      this.own.add(answer.id);
    } catch (thrown) {
      if (!(thrown instanceof Skipped)) throw thrown;
      this.parts.conversations.note(session.id, { kind: 'skipped', agentId, reason: thrown.reason });
    }
  }

  private noteFailure(session: AgentSession, thrown: unknown): void {
    const error = thrown instanceof ParleyError ? thrown : new ParleyError('internal', { cause: thrown });
    if (!(thrown instanceof ParleyError)) this.parts.log.error({ err: thrown, session: session.id }, 'a reply could not be begun');
    this.parts.conversations.note(session.id, { kind: 'trigger-failed', client: this.id, code: error.code, message: error.message });
  }

  /** Answers the client first: what happens meanwhile is told behind it. */
  private async holding(work: () => Promise<void> | void): Promise<void> {
    this.isHeld = true;
    try {
      // What is just being told reads rows: it must not read what is about to be answered.
      await this.pumping;
      await work();
    } finally {
      this.isHeld = false;
      this.wake();
    }
  }

  private receive(event: ConversationEvent): void {
    this.received.push(event);
    this.wake();
  }

  private wake(): void {
    if (this.isPumping || this.isHeld || this.received.length === 0) return;
    this.isPumping = true;
    this.pumping = this.pump();
  }

  /** Tells what was received, in order. */
  private async pump(): Promise<void> {
    try {
      while (!this.isHeld && this.seat && this.received.length > 0) await this.hear(this.seat, this.received.shift()!);
    } catch (error) {
      this.parts.log.error({ err: error }, 'an event of a session could not be told');
    } finally {
      this.isPumping = false;
      this.wake();
    }
  }

  private async hear(seat: Seat, event: ConversationEvent): Promise<void> {
    switch (event.type) {
      case 'message':
        return this.catchUp(seat);
      case 'turn':
        await this.catchUp(seat);
        return event.message.status === 'PROCESSING' ? this.hearThinking(event.message.id, partyOf(event.message, unnamedOf(seat.session.agents))) : undefined;
      case 'turn_ended':
        await this.catchUp(seat);
        return isReply(event.message) ? this.hearEnd(seat, event.message) : undefined;
      case 'note':
        return this.hearNote(seat, event.note);
      case 'participant_left':
        return event.userId === this.viewer.userId ? this.leave() : undefined;
      case 'deleted':
        if (!seat.isOver) await this.tell({ kind: 'ended', sessionId: seat.session.id, transcriptSubmitted: false });
        return this.leave();
      default:
        return undefined;
    }
  }

  /** Tells what was said since, in the order in which it was whole: events say only that there is something. */
  private async catchUp(seat: Seat): Promise<void> {
    const { read } = this.parts.storage;
    const row = await read.selectFrom('agent_sessions').select('ended_at').where('conversation_id', '=', seat.session.id).executeTakeFirst();
    const placed = await readSaid(read, { ...seat.session, endedAt: row?.ended_at ?? null }, { limit: mostInBatch, behind: seat.told });
    for (const { message, place } of placed) {
      seat.told = place;
      if (message.reply === null) {
        await this.tell({ kind: 'message', message });
        continue;
      }
      await this.hearThinking(message.id, message.from);
      this.own.delete(message.id);
      this.said.add(message.id);
      await this.tell({ kind: 'response', message });
    }
  }

  /** Also for one that was over before anybody looked. */
  private async hearThinking(messageId: string, agentId: string): Promise<void> {
    if (this.thinking.has(messageId) || this.said.has(messageId)) return;
    this.thinking.add(messageId);
    await this.tell({ kind: 'thinking', agentId });
  }

  /** A reply has ended: where it was whole, it was told as what was said. */
  private async hearEnd(seat: Seat, message: Message): Promise<void> {
    const place = { at: message.endedAt ?? message.createdAt, seq: message.seq };
    const isWhole = message.status === 'DELIVERED' && message.content !== '' && !isBehind(place, seat.told);
    const wasTold = this.said.delete(message.id);
    if (!isWhole && !wasTold) {
      const agentId = partyOf(message, unnamedOf(seat.session.agents));
      await this.hearThinking(message.id, agentId);
      if (this.own.delete(message.id)) await this.tell({ kind: 'trigger-failed', error: failureOf(message) });
      else await this.tell({ kind: 'skipped', agentId, reason: 'generation-failed' });
    }
    this.thinking.delete(message.id);
    this.own.delete(message.id);
  }

  private async hearNote(seat: Seat, note: Record<string, unknown>): Promise<void> {
    const { session } = seat;
    const isOwn = note['client'] === this.id;
    if (note['kind'] === 'joined' && !isOwn) await this.tell({ kind: 'agent-joined', agentId: String(note['agentId']) });
    if (note['kind'] === 'skipped') await this.tell({ kind: 'skipped', agentId: String(note['agentId']), reason: note['reason'] as SkipReason });
    if (note['kind'] === 'trigger-failed' && isOwn) await this.tell({ kind: 'trigger-failed', error: new ParleyError(note['code'] as ErrorCode, { message: String(note['message']) }) });
    if (note['kind'] !== 'ended') return;
    seat.isOver = true;
    await this.tell({ kind: 'ended', sessionId: session.id, transcriptSubmitted: note['transcriptSubmitted'] === true });
  }
}

function failureOf({ status, error }: Message): ParleyError {
  if (status === 'FAILED') return new ParleyError((error?.code ?? 'provider_error') as ErrorCode, error ? { message: error.message } : {});
  if (status === 'INTERRUPTED') return new ParleyError('shutting_down', { message: 'The server stopped in the middle of the reply.' });
  if (status === 'CANCELLED') return new ParleyError('cancelled', { message: 'The reply was broken off.' });
  return new ParleyError('provider_error', { message: 'The model said nothing.' });
}

/** A set that forgets what was put into it first. */
function remember(set: Set<string>, value: string): void {
  set.add(value);
  if (set.size > mostRemembered) set.delete(set.values().next().value!);
}
