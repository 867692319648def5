import type { Conversations, Message } from '../conversations/index.ts';
import type { Clock } from '../../base/clock.ts';
import type { LangchainAnswer, UnkeptAnswer } from './types.ts';

/** Milliseconds for which pieces are gathered, but for the first. */
const gatherMs = 25;
/** Most UTF-16 units of one piece: far below what the bus takes. */
const longestPiece = 8000;

/** Tells the sockets of a chat of an answer that is not kept, as if it were. */
export class Telling {
  private readonly conversations: Pick<Conversations, 'tellAside'>;
  private readonly clock: Clock;
  private readonly answer: UnkeptAnswer;
  private waiting = '';
  private told = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(conversations: Pick<Conversations, 'tellAside'>, clock: Clock, answer: UnkeptAnswer) {
    this.conversations = conversations;
    this.clock = clock;
    this.answer = answer;
  }

  begin(): void {
    this.tell({ step: 'began', message: this.message({ status: 'PROCESSING' }) });
  }

  text(piece: string): void {
    this.waiting += piece;
    if (this.told === 0) return this.flush(false);
    this.timer ??= setTimeout(() => this.flush(false), gatherMs);
  }

  /** @param answer null when it did not come to its end */
  end(answer: LangchainAnswer | null, ended: Pick<Message, 'status' | 'error'>): void {
    this.flush(true);
    const figures: Partial<Message> = answer
      ? { model: answer.model, tokensIn: answer.tokensIn, tokensOut: answer.tokensOut, durationMs: answer.durationMs, finishReason: answer.finishReason }
      : {};
    this.tell({ step: 'ended', message: this.message({ ...figures, ...ended, endedAt: this.clock.now() }), length: this.told });
  }

  private flush(isEnd: boolean): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    // Half of a surrogate pair waits for the other one.
    const last = this.waiting.charCodeAt(this.waiting.length - 1);
    const whole = !isEnd && last >= 0xd800 && last <= 0xdbff ? this.waiting.slice(0, -1) : this.waiting;
    this.waiting = this.waiting.slice(whole.length);
    for (let text = whole; text !== '';) {
      const cut = text.length > longestPiece && /[\ud800-\udbff]/.test(text[longestPiece - 1]!) ? longestPiece - 1 : longestPiece;
      const piece = text.slice(0, cut).toWellFormed();
      this.tell({ step: 'text', messageId: this.answer.id, text: piece, offset: this.told });
      this.told += piece.length;
      text = text.slice(cut);
    }
  }

  private tell(event: Parameters<Conversations['tellAside']>[1]): void {
    this.conversations.tellAside(this.answer.conversationId, event);
  }

  private message(fields: Partial<Message>): Message {
    const { id, conversationId, model, createdAt } = this.answer;
    return {
      id, conversationId, model, createdAt,
      parentId: null, seq: 0, depth: 0, role: 'assistant', senderId: null, content: '', reasoning: null, toolCalls: null, toolCallId: null, status: 'PROCESSING',
      replyToId: null, replacesId: null, isEdited: false, metadata: null, tokensIn: null, tokensOut: null, tokensReasoning: null, tokensCached: null, costMicros: null,
      timeToFirstTokenMs: null, durationMs: null, finishReason: null, confidence: null, error: null, endedAt: null, lastEventSeq: 0, siblings: [], pictures: [],
      ...fields,
    };
  }
}
