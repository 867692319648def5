import type { TurnEvent } from '../../../core/conversations/index.ts';
import { ChunkPace } from './chunk-pace.ts';
import type { AnswerChunk } from './frames.ts';

type Piece = Extract<TurnEvent, { kind: 'text' | 'reasoning' }>;

/** New text that is due, for the members that take its kind. */
export interface DueText {
  chunk: AnswerChunk;
  /** Whether it is for members whose frames repeat the whole text, or for the others. */
  repeatsWhole: boolean;
  /** Seq up to which such members had everything before it. */
  sentSeq: number;
  /** Seq up to which they have everything with it. */
  seq: number;
}

/** One answer as it grows: keeps its text, and says when new text is due. */
export class GrowingAnswer {
  /** Seq of the last event taken. */
  seq: number;
  /** The model that speaks; null while that is not known. */
  model: string | null;
  private text: string;
  private reasoning: string;
  private plainSeq: number;
  private readonly plain: ChunkPace | null;
  private readonly plainReasoning: ChunkPace | null;
  private readonly whole: ChunkPace | null;

  /**
   * @param from what has been told already
   * @param wanted for which kinds of members
   */
  constructor(
    { model, ...answer }: { messageId: string; chatId: string; model: string | null },
    from: { text: string; reasoning: string; seq: number },
    wanted: { plain: boolean; whole: boolean },
    emit: (due: DueText) => void,
  ) {
    this.model = model;
    this.text = from.text;
    this.reasoning = from.reasoning;
    this.seq = this.plainSeq = from.seq;
    const pace = (kind: AnswerChunk['kind'], repeatsWhole: boolean, text: string): ChunkPace =>
      new ChunkPace(
        repeatsWhole,
        ({ chunk, offset, seq, whole }) =>
          emit({ chunk: { kind, ...answer, model: this.model, chunk, offset, seq, fullContent: whole }, repeatsWhole, sentSeq: this.sentSeq(repeatsWhole), seq }),
        text,
        from.seq,
      );
    this.plain = wanted.plain ? pace('text', false, this.text) : null;
    this.plainReasoning = wanted.plain ? pace('reasoning', false, this.reasoning) : null;
    this.whole = wanted.whole ? pace('text', true, this.text) : null;
  }

  /** Seq up to which members of a kind have everything. */
  sentSeq(repeatsWhole: boolean): number {
    return repeatsWhole ? (this.whole?.seq ?? this.seq) : this.plainSeq;
  }

  /** Takes a text as told already, before the first piece behind it. */
  startFrom(kind: 'text' | 'reasoning', text: string): void {
    this[kind] = text;
    for (const pace of kind === 'text' ? [this.plain, this.whole] : [this.plainReasoning]) pace?.startFrom(text);
  }

  /** Adds one event. A piece that begins before the end (a folded log is told whole) adds only what is new. */
  take(event: TurnEvent): void {
    this.seq = event.seq;
    if (event.kind === 'start') this.model = event.model;
    else if (event.kind === 'text') this.text = appended(this.text, event);
    else if (event.kind === 'reasoning') this.reasoning = appended(this.reasoning, event);
  }

  /** Sends what is due after a batch. */
  update(): void {
    this.plainReasoning?.update(this.reasoning, this.seq);
    this.plain?.update(this.text, this.seq);
    this.whole?.update(this.text, this.seq);
    this.plainSeq = this.seq;
  }

  /** Sends everything. */
  flush(): void {
    this.update();
    this.whole?.flush();
  }

  stop(): void {
    for (const pace of [this.plain, this.plainReasoning, this.whole]) pace?.stop();
  }
}

function appended(text: string, piece: Piece): string {
  return piece.offset === text.length ? text + piece.text : text + piece.text.slice(Math.max(0, text.length - piece.offset));
}
