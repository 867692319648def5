import type { ConversationEvent, Message } from '../../../core/conversations/index.ts';
import type { RoomFrames } from './frames.ts';
import { GrowingAnswer, type DueText } from './growing-answer.ts';
import type { RoomMember } from './member.ts';

type AsideEvent = Extract<ConversationEvent, { type: 'aside' }>;

/** Most answers that are told at the same time; more are not begun. */
const mostAtOnce = 100;
/** Longest answer that is told, in UTF-16 units. */
const longestAnswer = 4_000_000;

interface Growing<Frame> {
  answer: GrowingAnswer;
  begun: Message;
  text: string;
  /** Members that were too slow for pieces, with the UTF-16 units that they were told. */
  behind: Map<RoomMember<Frame>, number>;
}

/**
 * Answers that are not kept, told to a room in the same frames as others. No row holds them: who comes in the middle hears
 * the rest, and with the end the whole.
 */
export class Asides<Frame> {
  private readonly frames: RoomFrames<Frame>;
  private readonly members: ReadonlySet<RoomMember<Frame>>;
  private readonly running = new Map<string, Growing<Frame>>();

  constructor(frames: RoomFrames<Frame>, members: ReadonlySet<RoomMember<Frame>>) {
    this.frames = frames;
    this.members = members;
  }

  receive(event: AsideEvent): void {
    switch (event.step) {
      case 'began':
        return this.begin(event.message);
      case 'text':
        return this.take(event.messageId, event.text, event.offset);
      case 'ended':
        return this.end(event.message, event.length);
    }
  }

  stop(): void {
    for (const { answer } of this.running.values()) answer.stop();
    this.running.clear();
  }

  private begin(begun: Message): void {
    if (this.running.size >= mostAtOnce) return;
    const answer = new GrowingAnswer({ messageId: begun.id, chatId: begun.conversationId, model: begun.model }, { text: '', reasoning: '', seq: 0 }, { plain: true, whole: true }, (due) => this.tellChunk(growing, due));
    const growing: Growing<Frame> = { answer, begun, text: '', behind: new Map() };
    this.running.set(begun.id, growing);
    this.tellStart(begun);
  }

  private take(messageId: string, text: string, offset: number): void {
    const growing = this.running.get(messageId);
    // Behind a piece that was lost nothing fits any more: the end says so.
    if (!growing || offset !== growing.text.length || growing.text.length > longestAnswer) return;
    growing.text += text;
    growing.answer.take({ seq: growing.answer.seq + 1, kind: 'text', text, offset });
    growing.answer.update();
  }

  private end(message: Message, length: number): void {
    const growing = this.running.get(message.id);
    if (!growing) return;
    this.running.delete(message.id);
    growing.answer.flush();
    growing.answer.stop();
    const isWhole = growing.text.length === length;
    const lost = { status: 'FAILED' as const, error: { code: 'internal', message: 'A part of this answer was lost on the way.' } };
    this.tellStart(growing.begun);
    for (const [member, told] of growing.behind) if (this.members.has(member)) this.catchUp(growing, member, told);
    this.send(this.followers(), this.frames.ended({ ...message, content: growing.text, ...(isWhole ? {} : lost) }));
  }

  /** Says once to each member that the answer has begun. */
  private tellStart(begun: Message): void {
    const unaware = this.followers().filter((member) => !member.told(begun.id).started);
    for (const member of unaware) member.told(begun.id).started = true;
    this.send(unaware, this.frames.started(begun, begun.model));
  }

  private tellChunk(growing: Growing<Frame>, { chunk, repeatsWhole }: DueText): void {
    this.tellStart(growing.begun);
    const ready: RoomMember<Frame>[] = [];
    for (const member of this.followers().filter((follower) => follower.pieces === (repeatsWhole ? 'whole' : 'each'))) {
      const told = growing.behind.get(member);
      // Who is slow gets what gathers meanwhile as one piece, at the latest before the end.
      if (member.isSlow) growing.behind.set(member, told ?? chunk.offset);
      else if (told === undefined) ready.push(member);
      else this.catchUp(growing, member, told);
    }
    this.send(ready, this.frames.chunk(chunk));
  }

  /** Sends one member everything behind what it was told. */
  private catchUp({ answer, begun, text, behind }: Growing<Frame>, member: RoomMember<Frame>, told: number): void {
    behind.delete(member);
    const whole = member.pieces === 'whole' ? { fullContent: text } : {};
    member.send(this.frames.chunk({ kind: 'text', messageId: begun.id, chatId: begun.conversationId, model: answer.model, chunk: text.slice(told), offset: told, seq: answer.seq, ...whole }));
  }

  private send(members: readonly RoomMember<Frame>[], frame: Frame): void {
    if (members.length > 0) this.frames.sendToMany(members, frame);
  }

  private followers(): RoomMember<Frame>[] {
    return [...this.members].filter((member) => member.pieces !== 'none');
  }
}
