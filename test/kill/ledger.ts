/** What must never happen. Every kind is counted; one is one too many. */
export const faultKinds = [
  'message lost', 'message doubled', 'text lost', 'text changed', 'text doubled', 'text gap', 'end changed',
  'answer lost', 'answer doubled', 'wrong answer', 'wrong order', 'partial rows', 'stuck turn', 'unexpected failure', 'unexpected answer', 'server ended',
] as const;

export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  kind: FaultKind;
  round: number;
  detail: string;
}

/** What happened, so that zero faults of nothing is not taken for a success. */
export interface Activity {
  kills: number;
  killsWhileStarting: number;
  terminations: number;
  /** Servers that hung for a while (several instances only). */
  pauses: number;
  connectionsDropped: number;
  connectionsLost: number;
  resumes: number;
  chats: number;
  chatsDeleted: number;
  messages: number;
  answers: number;
  events: number;
  endings: Record<string, number>;
}

/** How an answer ended, as a client was told. */
export interface Ending {
  status: string;
  content: string;
}

/** A message whose sender got an answer to the request. */
export interface KnownMessage {
  id: string;
  chatId: string | null;
  content: string;
}

/** Everything that clients were told, to be held against what is there after a crash. */
export class Ledger {
  readonly faults: Fault[] = [];
  readonly activity: Activity = {
    kills: 0, killsWhileStarting: 0, terminations: 0, pauses: 0, connectionsDropped: 0, connectionsLost: 0, resumes: 0, chats: 0, chatsDeleted: 0,
    messages: 0, answers: 0, events: 0, endings: {},
  };
  /** Acknowledged messages of people, by id. */
  readonly messages = new Map<string, KnownMessage>();
  /** Answers that a client knows of, by id. */
  readonly answers = new Map<string, KnownAnswer>();
  /** Chats acknowledged as made; `deleted` once that was acknowledged or tried. */
  readonly chats = new Map<string, { deleted: boolean; unanswered: number }>();
  round = 0;
  private questions = 0;

  fault(kind: FaultKind, detail: string): void {
    this.faults.push({ kind, round: this.round, detail });
  }

  /** A text for a message that no other message has. */
  nextQuestion(): string {
    this.questions += 1;
    return `q${this.questions} what comes next?`;
  }

  acknowledge(message: KnownMessage): void {
    if (this.messages.has(message.id)) return;
    this.messages.set(message.id, message);
    this.activity.messages += 1;
  }

  answer(id: string, chatId: string | null, question: string): KnownAnswer {
    const known = this.answers.get(id);
    if (known) return known;
    const made = new KnownAnswer(this, id, chatId, question);
    this.answers.set(id, made);
    this.activity.answers += 1;
    return made;
  }

  /** Counts of all kinds. */
  counts(): Record<FaultKind, number> {
    return Object.fromEntries(faultKinds.map((kind) => [kind, this.faults.filter((fault) => fault.kind === kind).length])) as Record<FaultKind, number>;
  }
}

/** An answer, with the most that any client has seen of it. */
export class KnownAnswer {
  readonly id: string;
  readonly chatId: string | null;
  /** Tag of the question. */
  readonly question: string;
  seen = '';
  ending: Ending | null = null;
  private readonly ledger: Ledger;

  constructor(ledger: Ledger, id: string, chatId: string | null, question: string) {
    this.ledger = ledger;
    this.id = id;
    this.chatId = chatId;
    this.question = question;
  }

  /** A client has this text of it, from the beginning. */
  observe(text: string): void {
    const shared = Math.min(text.length, this.seen.length);
    if (text.slice(0, shared) !== this.seen.slice(0, shared)) this.fault('text changed', `one client saw ${excerpt(text, this.seen)}`);
    if (text.length > this.seen.length) this.seen = text;
  }

  /** A client was told how it ended. */
  end(ending: Ending): void {
    if (this.ending === null) {
      this.ending = ending;
      const { endings } = this.ledger.activity;
      endings[ending.status] = (endings[ending.status] ?? 0) + 1;
      if (ending.status === 'FAILED') this.fault('unexpected failure', JSON.stringify(ending));
    } else if (this.ending.status !== ending.status || this.ending.content !== ending.content) {
      this.fault('end changed', `from ${this.ending.status} "${this.ending.content}" to ${ending.status} "${ending.content}"`);
    }
    if (ending.content.startsWith(this.seen)) return;
    this.fault(this.seen.startsWith(ending.content) ? 'text lost' : 'text changed', `${ending.status}: ${excerpt(ending.content, this.seen)}`);
  }

  fault(kind: FaultKind, detail: string): void {
    this.ledger.fault(kind, `answer ${this.id}: ${detail}`);
  }
}

function excerpt(found: string, expected: string): string {
  let at = 0;
  while (at < found.length && found[at] === expected[at]) at += 1;
  const cut = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 20), at + 30));
  return `${cut(found)} where ${cut(expected)} was seen, at ${at} of ${found.length} and ${expected.length}`;
}

/** One client's reading of an answer by seq and offset. It survives broken connections and goes on where it was. */
export class StrictReader {
  readonly answer: KnownAnswer;
  text = '';
  seq = 0;

  constructor(answer: KnownAnswer) {
    this.answer = answer;
  }

  /** Any event but the end. */
  take(seq: number, piece: { text: string; offset: number } | null): void {
    if (seq <= this.seq) this.answer.fault('text doubled', `seq ${seq} came behind seq ${this.seq}`);
    this.seq = seq;
    if (piece === null) return;
    if (piece.offset !== this.text.length) {
      this.answer.fault(piece.offset < this.text.length ? 'text doubled' : 'text gap', `a piece at ${piece.offset} came where ${this.text.length} follows (seq ${seq})`);
    }
    this.text += piece.text;
    this.answer.observe(this.text);
  }

  end(ending: Ending): void {
    if (ending.content !== this.text && ending.content.startsWith(this.text)) {
      this.answer.fault('text gap', `the end came at ${this.text.length} of ${ending.content.length}`);
    }
    this.answer.observe(this.text);
    this.answer.end(ending);
  }
}

/**
 * One socket's reading, by offset: pieces may overlap, because the same text may come by attaching and live, and the
 * first may stand in the middle.
 */
export class LooseReader {
  readonly answer: KnownAnswer;
  private text: string | null = null;
  private start = 0;
  private waiting: { offset: number; text: string }[] = [];

  constructor(answer: KnownAnswer) {
    this.answer = answer;
  }

  take(offset: number, text: string): void {
    this.waiting.push({ offset, text });
    this.waiting.sort((one, other) => one.offset - other.offset);
    const first = this.waiting[0]!;
    if (this.text === null || first.offset < this.start) {
      // Something earlier than all before: begin again from there; what is known joins by its offsets.
      if (this.text !== null) this.waiting.push({ offset: this.start, text: this.text });
      this.text = '';
      this.start = first.offset;
    }
    const rest: typeof this.waiting = [];
    for (const piece of this.waiting.sort((one, other) => one.offset - other.offset)) {
      const end = this.start + this.text.length;
      if (piece.offset > end) {
        rest.push(piece);
        continue;
      }
      const known = this.text.slice(piece.offset - this.start, piece.offset - this.start + piece.text.length);
      if (!piece.text.startsWith(known)) this.answer.fault('text changed', `a socket was told ${excerpt(piece.text, known)}`);
      this.text += piece.text.slice(known.length);
    }
    this.waiting = rest;
    if (this.start === 0) this.answer.observe(this.text);
  }

  /** Told the whole text with the end. */
  end(ending: Ending): void {
    const text = this.text ?? '';
    if (this.waiting.length > 0) this.answer.fault('text gap', `a socket never got what stands before ${this.waiting[0]!.offset}`);
    if (ending.content.slice(this.start) !== text && this.text !== null) this.answer.fault('text gap', `a socket had ${excerpt(text, ending.content.slice(this.start))}`);
    this.answer.end(ending);
  }
}
