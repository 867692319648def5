import { ParleyError } from '../../../base/errors.ts';
import type { Viewer } from '../../../core/accounts/index.ts';
import type { ConversationEvent, Message, TurnEvent } from '../../../core/conversations/index.ts';
import type { DialectParts } from '../types.ts';
import { Asides } from './asides.ts';
import { followAlone } from './following.ts';
import type { RoomFrames } from './frames.ts';
import { GrowingAnswer, type DueText } from './growing-answer.ts';
import type { RoomMember } from './member.ts';

/** Milliseconds between two pieces of one answer to a room: more often than anyone can read, seldom enough for many sockets. */
const pieceGapMs = 25;

/** Newest messages looked through for answers that run already: eight may wait, each behind its question. */
const recentMessages = 40;

/** Ended answers whose ids are remembered, so that a late hint does not tell them again. */
const mostRemembered = 200;

/** A stretch of an answer. */
interface Stretch {
  messageId: string;
  /** Seq up to which members had everything before it. */
  sentSeq: number;
  /** Seq up to which they have everything with it. */
  seq: number;
}

/**
 * The open sockets of one chat in this process. What happens is read once and each frame is built once, however many
 * sockets there are.
 */
export class Room<Frame> {
  readonly chatId: string;
  readonly members = new Set<RoomMember<Frame>>();
  /** Grows with each user who is found to take no part any more: who was let in by the rows, and finds it grown since, looks again. */
  departures = 0;
  private readonly parts: DialectParts;
  private readonly frames: RoomFrames<Frame>;
  /** Under whose permission the room reads; every member's own was checked when it came in. */
  private viewer: Viewer;
  private readonly turns = new Map<string, AbortController>();
  private readonly ended = new Set<string>();
  private readonly asides: Asides<Frame>;
  /** Set as soon as a member wants pieces of answers; resolves when those that run already are followed. */
  private following: Promise<void> | null = null;

  constructor(parts: DialectParts, frames: RoomFrames<Frame>, chatId: string, viewer: Viewer) {
    this.parts = parts;
    this.frames = frames;
    this.chatId = chatId;
    this.viewer = viewer;
    this.asides = new Asides(frames, this.members);
  }

  /** One event of the conversation. */
  receive(event: ConversationEvent): void {
    const { frames, chatId } = this;
    switch (event.type) {
      case 'message':
        return this.broadcastMessage(frames.message(event.message));
      case 'turn':
        if (event.message.status === 'PROCESSING') this.tellStart(event.message, event.message.model);
        return this.follow(event.message, false);
      case 'turn_ended':
        this.follow(event.message, false);
        return this.broadcastMessage(frames.answer(event.message));
      case 'typing':
        return this.tellTyping(event);
      case 'participant_left':
        this.dismiss(event.userId);
        return this.broadcast(frames.participant(chatId, event));
      case 'participant_joined':
      case 'participant_changed':
        return this.broadcast(frames.participant(chatId, event));
      case 'aside':
        return this.asides.receive(event);
      case 'branch_changed':
        return this.broadcast(frames.branchChanged(chatId, event.headId));
      case 'changed':
        return this.broadcast(frames.changed(event.conversation));
      case 'deleted':
        this.broadcast(frames.deleted(chatId));
        for (const member of this.members) member.close('not_found', 'chat deleted');
    }
  }

  /** From now on answers are followed as they grow; those that run already, from what they say now. */
  followAnswers(): Promise<void> {
    this.following ??= this.followRunning().catch((error: unknown) => {
      this.following = null;
      throw error;
    });
    return this.following;
  }

  private async followRunning(): Promise<void> {
    const recent = await this.read((viewer) => this.parts.conversations.messages(viewer, this.chatId, { limit: recentMessages, offset: 0, peek: true }));
    for (const message of recent) {
      if (message.status === 'PROCESSING' || message.status === 'QUEUED') this.follow(message, true);
    }
  }

  /** Follows an answer to its end; `fromHere` leaves out what it says already. */
  private follow(message: Message, fromHere: boolean): void {
    if (this.following === null || this.turns.has(message.id) || this.ended.has(message.id)) return;
    const abort = new AbortController();
    this.turns.set(message.id, abort);
    void this.tell(message, fromHere, abort.signal)
      .catch((error: unknown) => this.parts.log.error({ err: error, messageId: message.id }, 'an answer could not be told to its chat'))
      .finally(() => {
        this.turns.delete(message.id);
        this.remember(message.id);
      });
  }

  /**
   * Tells one member, also one that is not in the room, everything of an answer behind `afterSeq`, to its end and apart
   * from the others. That the member may read it has been checked.
   */
  attach(member: RoomMember<Frame>, messageId: string, afterSeq: number): void {
    void followAlone(this.parts, this.frames, member, { chatId: this.chatId, messageId, afterSeq });
  }

  close(): void {
    for (const abort of this.turns.values()) abort.abort();
    this.turns.clear();
    this.asides.stop();
  }

  private async tell(message: Message, fromHere: boolean, signal: AbortSignal): Promise<void> {
    const from = fromHere ? { text: message.content, reasoning: message.reasoning ?? '', seq: message.lastEventSeq } : { text: '', reasoning: '', seq: 0 };
    const answer = { messageId: message.id, chatId: this.chatId, model: message.model };
    const growing = new GrowingAnswer(answer, from, { plain: true, whole: true }, (due) => this.tellChunk(due));
    try {
      await this.read(async (viewer) => {
        for await (const batch of this.parts.conversations.attach(viewer, message.id, growing.seq, signal)) {
          const last = batch.at(-1)!;
          for (const event of batch) await this.take(message.id, event, growing);
          growing.update();
          if (last.kind !== 'end') await new Promise((resolve) => setTimeout(resolve, pieceGapMs));
        }
      });
    } finally {
      growing.stop();
    }
  }

  private async take(messageId: string, event: TurnEvent, growing: GrowingAnswer): Promise<void> {
    const sentSeq = growing.seq;
    if (event.kind === 'end') {
      growing.flush();
      const stored = await this.read((viewer) => this.parts.conversations.message(viewer, messageId));
      this.noteRead(this.deliver(this.followers(), this.frames.ended(stored), { messageId, sentSeq, seq: event.seq }));
    } else if (sentSeq === 0 && this.followers().some((member) => !member.told(messageId).started)) {
      // Who came between the beginning and the first piece, or before a late hint of the beginning.
      const begun = await this.read((viewer) => this.parts.conversations.message(viewer, messageId));
      this.tellStart(begun, event.kind === 'start' ? event.model : begun.model);
    }
    growing.take(event);
  }

  /** Says once to each member that an answer has begun. */
  private tellStart(message: Message, model: string | null): void {
    if (this.ended.has(message.id)) return;
    const receivers: RoomMember<Frame>[] = [];
    for (const member of this.followers()) {
      const told = member.told(message.id);
      if (told.started) continue;
      if (member.isSlow && !member.alone.has(message.id)) {
        this.attach(member, message.id, 0);
      } else {
        told.started = true;
        receivers.push(member);
      }
    }
    if (receivers.length > 0) this.frames.sendToMany(receivers, this.frames.started(message, model));
  }

  private tellChunk({ chunk, repeatsWhole, sentSeq, seq }: DueText): void {
    const wanted = repeatsWhole ? 'whole' : 'each';
    const stretch = { messageId: chunk.messageId, sentSeq, seq };
    const receivers: RoomMember<Frame>[] = [];
    for (const member of this.members) if (member.pieces === wanted && this.isDue(member, stretch)) receivers.push(member);
    if (receivers.length > 0) this.frames.sendToMany(receivers, this.frames.chunk(chunk));
  }

  /** Who is slow is not told: it is of no use later. */
  private tellTyping(event: Extract<ConversationEvent, { type: 'typing' }>): void {
    const frame = this.frames.typing(this.chatId, event);
    if (frame === null) return;
    const isSender = (member: RoomMember<Frame>): boolean => event.source !== null && member.source === event.source;
    this.frames.sendToMany([...this.members].filter((member) => !member.isSlow && !isSender(member)), frame);
  }

  /** A whole message: who gets it has read up to here. */
  private broadcastMessage(frame: Frame | null): void {
    this.broadcast(frame);
    if (frame !== null) this.noteRead(this.members);
  }

  private broadcast(frame: Frame | null): void {
    if (frame !== null && this.members.size > 0) this.frames.sendToMany([...this.members], frame);
  }

  private followers(): RoomMember<Frame>[] {
    return [...this.members].filter((member) => member.pieces !== 'none');
  }

  /**
   * Sends a stretch of an answer, but to those that follow it by themselves. They may have been ahead of the room, also
   * when they have finished: what they were told is not told again. Returns those it was sent to.
   */
  private deliver(members: readonly RoomMember<Frame>[], frame: Frame, stretch: Stretch): RoomMember<Frame>[] {
    const receivers = members.filter((member) => this.isDue(member, stretch));
    if (receivers.length > 0) this.frames.sendToMany(receivers, frame);
    return receivers;
  }

  private isDue(member: RoomMember<Frame>, { messageId, sentSeq, seq }: Stretch): boolean {
    if (member.keepsPace(messageId, sentSeq) && !member.isSlow) return true;
    if (member.alone.has(messageId)) return false;
    const told = member.told(messageId).seq;
    if (told >= seq) return false;
    this.attach(member, messageId, Math.max(told, sentSeq));
    return false;
  }

  /** For members whose sockets take what is sent; the others get it when they have caught up. */
  private noteRead(members: Iterable<RoomMember<Frame>>): void {
    const users = [];
    for (const member of members) if (member.isOpen && !member.isSlow) users.push(member.viewer.userId);
    if (users.length > 0) this.parts.conversations.received(this.chatId, users);
  }

  /** Closes what this user has open here, at once and before anything more is said. */
  private dismiss(userId: string): void {
    this.departures += 1;
    for (const member of [...this.members].filter(({ viewer }) => viewer.userId === userId)) {
      this.members.delete(member);
      member.release();
      member.close('forbidden', 'no longer a participant');
    }
  }

  /**
   * Reads under the permission of somebody who is here: under which it was read so far may be that of somebody who takes
   * no part any more. Then it is tried again under that of the others.
   */
  private async read<Result>(work: (viewer: Viewer) => Promise<Result>): Promise<Result> {
    const refused = new Set<string>();
    for (;;) {
      const { viewer } = this;
      try {
        return await work(viewer);
      } catch (thrown) {
        if (!(thrown instanceof ParleyError) || thrown.code !== 'forbidden') throw thrown;
        refused.add(viewer.userId);
        const other = refused.has(this.viewer.userId) ? [...this.members].find((member) => !refused.has(member.viewer.userId))?.viewer : this.viewer;
        if (!other) throw thrown;
        this.viewer = other;
      }
    }
  }

  private remember(messageId: string): void {
    this.ended.add(messageId);
    if (this.ended.size > mostRemembered) this.ended.delete(this.ended.values().next().value!);
  }
}
