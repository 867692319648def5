import { ParleyError } from '../../../base/errors.ts';
import type { Message, TurnEvent } from '../../../core/conversations/index.ts';
import { showable } from '../errors.ts';
import type { DialectParts } from '../types.ts';
import type { RoomFrames } from './frames.ts';
import { GrowingAnswer } from './growing-answer.ts';
import type { RoomMember, Told } from './member.ts';

/** Answers one member may follow by itself at the same time. */
const mostAlone = 8;

/** Which answer, and behind what. */
export interface Following {
  chatId: string;
  messageId: string;
  /** Seq of the last event that the member has; 0 for none. */
  afterSeq: number;
}

/**
 * Sends everything of an answer behind `afterSeq` to one member, then goes on with it to its end. Used when a client
 * asks for it, and for members too slow for the room: here each frame waits until the one before has left, and what
 * has gathered meanwhile goes out as one piece. The room leaves this answer out for this member.
 */
export async function followAlone<Frame>(parts: DialectParts, frames: RoomFrames<Frame>, member: RoomMember<Frame>, following: Following): Promise<void> {
  const { messageId, afterSeq } = following;
  if (member.alone.size >= mostAlone && !member.alone.has(messageId)) {
    return member.sendError(new ParleyError('rate_limited', { message: `At most ${mostAlone} answers can be followed at the same time.` }), messageId);
  }
  member.alone.get(messageId)?.abort();
  const abort = new AbortController();
  member.beginAlone(messageId, abort);
  const follower = new Follower(parts, frames, member, following);
  try {
    // Whoever asked for it is told first that it was taken: what comes before that is the room's, what comes behind it this one's.
    await new Promise((resolve) => setImmediate(resolve));
    await follower.begin();
    for await (const batch of parts.conversations.attach(member.viewer, messageId, afterSeq, abort.signal)) {
      for (const event of batch) await follower.take(event);
      await follower.settle();
    }
  } catch (thrown) {
    const error = showable(thrown);
    if (error.status >= 500) parts.log.error({ err: error.cause ?? error, messageId }, 'an answer could not be followed');
    member.sendError(error, messageId);
  } finally {
    follower.stop();
    member.endAlone(messageId, abort);
  }
}

/** What one member knows of one answer. */
class Follower<Frame> {
  private readonly parts: DialectParts;
  private readonly frames: RoomFrames<Frame>;
  private readonly member: RoomMember<Frame>;
  private readonly messageId: string;
  private readonly growing: GrowingAnswer;
  private readonly told: Told;
  private readonly fromBeginning: boolean;
  private readonly repeatsWhole: boolean;
  private readonly started = new Set<string>();
  private leaving: Promise<void> = Promise.resolve();

  constructor(parts: DialectParts, frames: RoomFrames<Frame>, member: RoomMember<Frame>, { chatId, messageId, afterSeq }: Following) {
    this.parts = parts;
    this.frames = frames;
    this.member = member;
    this.messageId = messageId;
    this.told = member.told(messageId);
    this.fromBeginning = afterSeq === 0;
    const repeatsWhole = member.pieces === 'whole';
    this.repeatsWhole = repeatsWhole;
    this.growing = new GrowingAnswer({ messageId, chatId, model: null }, { text: '', reasoning: '', seq: afterSeq }, { plain: !repeatsWhole, whole: repeatsWhole }, ({ chunk }) => {
      this.leaving = member.sendAndWait(frames.chunk(chunk));
    });
  }

  /** Says that the answer runs, when it does and everything of it is to be told. */
  async begin(): Promise<void> {
    const message = await this.message();
    this.growing.model = message.model;
    if (this.fromBeginning && message.status === 'PROCESSING') await this.start(message, message.model);
  }

  async take(event: TurnEvent): Promise<void> {
    if (event.kind === 'end') {
      this.growing.flush();
      const message = await this.message();
      // Before it is sent: from now on the room has nothing to add.
      this.told.seq = Math.max(this.told.seq, event.seq);
      await this.member.sendAndWait(this.frames.ended(message));
      if (this.member.isOpen) this.parts.conversations.received(message.conversationId, [this.member.viewer.userId]);
    } else {
      if (this.fromBeginning && !this.told.started) {
        const message = await this.message();
        await this.start(message, event.kind === 'start' ? event.model : message.model);
      }
      if (event.kind === 'text' || event.kind === 'reasoning') await this.startFrom(event);
      this.growing.take(event);
    }
  }

  /** Sends what is due; resolves when everything sent so far has left. */
  async settle(): Promise<void> {
    this.growing.update();
    this.told.seq = Math.max(this.told.seq, this.growing.sentSeq(this.repeatsWhole));
    await this.leaving;
  }

  stop(): void {
    this.growing.stop();
  }

  private message(): Promise<Message> {
    return this.parts.conversations.message(this.member.viewer, this.messageId);
  }

  /** The room may have said it meanwhile: then it is not said again. */
  private async start(message: Message, model: string | null): Promise<void> {
    if (this.told.started) return;
    this.told.started = true;
    await this.member.sendAndWait(this.frames.started(message, model));
  }

  /** What was said before the first piece is not sent again, but offsets count it and frames with the whole text repeat it. */
  private async startFrom(piece: { kind: 'text' | 'reasoning'; offset: number }): Promise<void> {
    if (this.started.has(piece.kind)) return;
    this.started.add(piece.kind);
    if (piece.offset === 0) return;
    const { content, reasoning } = await this.message();
    this.growing.startFrom(piece.kind, (piece.kind === 'text' ? content : (reasoning ?? '')).slice(0, piece.offset));
  }
}
