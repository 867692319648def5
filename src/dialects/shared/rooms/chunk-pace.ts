/** A piece of an answer that is due to be sent. */
export interface DueChunk {
  chunk: string;
  /** UTF-16 units before it. */
  offset: number;
  /** Seq of the last event it holds. */
  seq: number;
  /** All text so far, where frames repeat it. */
  whole: string | undefined;
}

/** Milliseconds after which text is sent however little it is, for frames that repeat the whole text. */
const longestWaitMs = 2000;

/** Text below which every piece is sent at once also with the whole text: such frames are small. */
const smallText = 2048;

/**
 * Whether a frame that repeats `length` units is due when `pending` of them are new. The step grows with the text as
 * length / (8 log2 length): all frames of an answer together then hold O(n log n) units, where one frame for each
 * piece would hold O(n^2).
 */
export function wholeFrameDue(pending: number, length: number): boolean {
  return length <= smallText || pending >= length / (8 * Math.log2(length));
}

/**
 * Decides when the text of one growing answer is sent, and remembers how far it was: plain pieces at once, pieces that
 * repeat the whole text less often as it grows (but never more than two seconds late).
 */
export class ChunkPace {
  /** Seq up to which everything has been sent. */
  seq: number;
  private sent: number;
  private text: string;
  private latest: number;
  private timer: NodeJS.Timeout | undefined;
  private readonly repeatsWhole: boolean;
  private readonly emit: (chunk: DueChunk) => void;

  /** Begins behind `text` and `seq`: what was there before is not sent. */
  constructor(repeatsWhole: boolean, emit: (chunk: DueChunk) => void, text = '', seq = 0) {
    this.repeatsWhole = repeatsWhole;
    this.emit = emit;
    this.text = text;
    this.sent = text.length;
    this.seq = seq;
    this.latest = seq;
  }

  /** Takes a text as sent already. */
  startFrom(text: string): void {
    this.text = text;
    this.sent = text.length;
  }

  /** The text as it is now, up to the event `seq`. */
  update(text: string, seq: number): void {
    this.text = text;
    this.latest = seq;
    const pending = text.length - this.sent;
    if (pending === 0) return;
    if (!this.repeatsWhole || wholeFrameDue(pending, text.length)) return this.flush();
    this.timer ??= setTimeout(() => this.flush(), longestWaitMs).unref();
  }

  /** Sends what is pending. */
  flush(): void {
    this.stop();
    if (this.text.length === this.sent) return;
    const due = { chunk: this.text.slice(this.sent), offset: this.sent, seq: this.latest, whole: this.repeatsWhole ? this.text : undefined };
    this.emit(due);
    this.sent = this.text.length;
    this.seq = this.latest;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
