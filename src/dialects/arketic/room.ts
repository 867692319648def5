import type { Viewer } from '../../core/accounts/index.ts';
import type { ConversationEvent, Message, TurnEvent } from '../../core/conversations/index.ts';
import { errorTable } from '../../base/errors.ts';
import type { DialectParts } from '../shared/index.ts';
import type { Connection } from './connection.ts';
import { followAlone } from './following.ts';
import {
  branchChangedFrame, chatDeletedFrame, chatUpdatedFrame, newMessageFrame, responseEndFrame, responseStartFrame, typingFrame,
} from './frames.ts';
import { GrowingAnswer, type DueFrame } from './growing-answer.ts';

/** Milliseconds between two pieces of one answer to a room: more often than anyone can read, seldom enough for many sockets. */
const pieceGapMs = 25;

/** Ended answers whose ids are remembered, so that a late hint does not tell them again. */
const mostRemembered = 200;

/**
 * The open sockets of one chat in this process. What happens is read once and each frame is built once, however many
 * sockets there are.
 */
export class Room {
  readonly chatId: string;
  readonly members = new Set<Connection>();
  private readonly parts: DialectParts;
  /** Under whose permission the room listens; every member's own was checked when it came in. */
  private readonly viewer: Viewer;
  private readonly turns = new Map<string, AbortController>();
  private readonly ended = new Set<string>();

  constructor(parts: DialectParts, chatId: string, viewer: Viewer) {
    this.parts = parts;
    this.chatId = chatId;
    this.viewer = viewer;
  }

  /** One event of the conversation. */
  receive(event: ConversationEvent): void {
    switch (event.type) {
      case 'message':
        return this.broadcast(newMessageFrame(event.message));
      case 'turn':
        if (event.message.status === 'PROCESSING') this.tellStart(event.message, event.message.model);
        return this.follow(event.message, false);
      case 'turn_ended':
        return this.follow(event.message, false);
      case 'typing':
        return this.broadcast(typingFrame(this.chatId, event));
      case 'branch_changed':
        return this.broadcast(branchChangedFrame(this.chatId, event.headId));
      case 'changed':
        return this.broadcast(chatUpdatedFrame(event.conversation));
      case 'deleted':
        this.broadcast(chatDeletedFrame(this.chatId));
        for (const member of this.members) member.close(errorTable.not_found.closeCode, 'chat deleted');
    }
  }

  /** Follows an answer to its end; `fromHere` leaves out what it says already. */
  follow(message: Message, fromHere: boolean): void {
    if (this.turns.has(message.id) || this.ended.has(message.id)) return;
    const abort = new AbortController();
    this.turns.set(message.id, abort);
    void this.tell(message, fromHere, abort.signal)
      .catch((error: unknown) => this.parts.log.error({ err: error, messageId: message.id }, 'an answer could not be told to its chat'))
      .finally(() => {
        this.turns.delete(message.id);
        this.remember(message.id);
      });
  }

  close(): void {
    for (const abort of this.turns.values()) abort.abort();
    this.turns.clear();
  }

  private async tell(message: Message, fromHere: boolean, signal: AbortSignal): Promise<void> {
    const from = fromHere ? { text: message.content, reasoning: message.reasoning ?? '', seq: message.lastEventSeq } : { text: '', reasoning: '', seq: 0 };
    const answer = { messageId: message.id, chatId: this.chatId };
    const growing = new GrowingAnswer(answer, from, { plain: true, whole: true }, (due) => this.tellChunk(message.id, due));
    try {
      for await (const batch of this.parts.conversations.attach(this.viewer, message.id, from.seq, signal)) {
        const last = batch.at(-1)!;
        for (const event of batch) await this.take(message.id, event, growing);
        growing.update();
        if (last.kind !== 'end') await new Promise((resolve) => setTimeout(resolve, pieceGapMs));
      }
    } finally {
      growing.stop();
    }
  }

  private async take(messageId: string, event: TurnEvent, growing: GrowingAnswer): Promise<void> {
    const sentSeq = growing.seq;
    if (event.kind === 'end') {
      growing.flush();
      const stored = await this.parts.conversations.message(this.viewer, messageId);
      const frame = Buffer.from(responseEndFrame(stored, this.parts.clock.now()));
      for (const member of this.members) this.deliver(member, frame, { messageId, sentSeq, seq: event.seq });
    } else if (sentSeq === 0 && [...this.members].some((member) => !member.told(messageId).started)) {
      // Who came between the beginning and the first piece, or before a late hint of the beginning.
      const begun = await this.parts.conversations.message(this.viewer, messageId);
      this.tellStart(begun, event.kind === 'start' ? event.model : begun.model);
    }
    growing.take(event);
  }

  /** Says once to each socket that an answer has begun. */
  private tellStart(message: Message, model: string | null): void {
    if (this.ended.has(message.id)) return;
    const frame = Buffer.from(responseStartFrame(message, model));
    for (const member of this.members) {
      const told = member.told(message.id);
      if (told.started) continue;
      if (member.isSlow && !member.alone.has(message.id)) {
        void followAlone(this.parts, member, this.chatId, message.id, 0);
      } else {
        told.started = true;
        member.send(frame);
      }
    }
  }

  private tellChunk(messageId: string, { frame, repeatsWhole, sentSeq, seq }: DueFrame): void {
    const receivers = [...this.members].filter((member) => member.repeatsWhole === repeatsWhole);
    if (receivers.length === 0) return;
    const bytes = Buffer.from(frame());
    for (const member of receivers) this.deliver(member, bytes, { messageId, sentSeq, seq });
  }

  private broadcast(frame: string): void {
    const bytes = Buffer.from(frame);
    for (const member of this.members) member.send(bytes);
  }

  /**
   * Sends what an answer says from `sentSeq` to `seq`, but to those that follow it by themselves. They may have been
   * ahead of the room, also when they have finished: what they were told is not told again.
   */
  private deliver(member: Connection, frame: Buffer, { messageId, sentSeq, seq }: { messageId: string; sentSeq: number; seq: number }): void {
    if (member.alone.has(messageId)) return;
    const told = member.told(messageId).seq;
    if (told >= seq) return;
    if (told > sentSeq || member.isSlow) void followAlone(this.parts, member, this.chatId, messageId, Math.max(told, sentSeq));
    else member.send(frame);
  }

  private remember(messageId: string): void {
    this.ended.add(messageId);
    if (this.ended.size > mostRemembered) this.ended.delete(this.ended.values().next().value!);
  }
}
