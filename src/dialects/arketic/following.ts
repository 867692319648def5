import type { Message, TurnEvent } from '../../core/conversations/index.ts';
import { showable, type DialectParts } from '../shared/index.ts';
import type { Connection, Told } from './connection.ts';
import { errorFrame, responseEndFrame, responseStartFrame } from './frames.ts';
import { GrowingAnswer } from './growing-answer.ts';

/** Answers one socket may follow by itself at the same time. */
const mostAlone = 8;

/**
 * Sends everything of an answer behind `afterSeq` to one socket, then goes on with it to its end. Used when a client
 * asks for it, and for sockets too slow for the room: here each frame waits until the one before has left, and what
 * has gathered meanwhile goes out as one piece. The room leaves this answer out for this socket.
 */
export async function followAlone(parts: DialectParts, connection: Connection, chatId: string, messageId: string, afterSeq: number): Promise<void> {
  if (connection.alone.size >= mostAlone && !connection.alone.has(messageId)) {
    return connection.send(errorFrame({ message: `At most ${mostAlone} answers can be followed at the same time.`, code: 'rate_limited' }, parts.clock.now()));
  }
  connection.alone.get(messageId)?.abort();
  const abort = new AbortController();
  connection.beginAlone(messageId, abort);
  const follower = new Follower(parts, connection, { chatId, messageId }, afterSeq);
  try {
    await follower.begin();
    for await (const batch of parts.conversations.attach(connection.viewer, messageId, afterSeq, abort.signal)) {
      for (const event of batch) await follower.take(event);
      await follower.settle();
    }
  } catch (thrown) {
    const error = showable(thrown);
    if (error.status >= 500) parts.log.error({ err: error.cause ?? error, messageId }, 'an answer could not be followed');
    connection.send(errorFrame({ message: error.message, code: error.code }, parts.clock.now()));
  } finally {
    follower.stop();
    connection.endAlone(messageId, abort);
  }
}

/** What one socket knows of one answer. */
class Follower {
  private readonly parts: DialectParts;
  private readonly connection: Connection;
  private readonly answer: { chatId: string; messageId: string };
  private readonly growing: GrowingAnswer;
  private readonly told: Told;
  private readonly fromBeginning: boolean;
  private readonly started = new Set<string>();
  private leaving: Promise<void> = Promise.resolve();

  constructor(parts: DialectParts, connection: Connection, answer: { chatId: string; messageId: string }, afterSeq: number) {
    this.parts = parts;
    this.connection = connection;
    this.answer = answer;
    this.told = connection.told(answer.messageId);
    this.fromBeginning = afterSeq === 0;
    const { repeatsWhole } = connection;
    this.growing = new GrowingAnswer(answer, { text: '', reasoning: '', seq: afterSeq }, { plain: !repeatsWhole, whole: repeatsWhole }, ({ frame }) => {
      this.leaving = connection.sendAndWait(frame());
    });
  }

  /** Says that the answer runs, when it does and everything of it is to be told. */
  async begin(): Promise<void> {
    if (!this.fromBeginning) return;
    const message = await this.message();
    if (message.status === 'PROCESSING') await this.start(message, message.model);
  }

  async take(event: TurnEvent): Promise<void> {
    if (event.kind === 'end') {
      this.growing.flush();
      const message = await this.message();
      // Before it is sent: from now on the room has nothing to add.
      this.told.seq = Math.max(this.told.seq, event.seq);
      await this.connection.sendAndWait(responseEndFrame(message, this.parts.clock.now()));
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
    this.told.seq = Math.max(this.told.seq, this.growing.sentSeq(this.connection.repeatsWhole));
    await this.leaving;
  }

  stop(): void {
    this.growing.stop();
  }

  private message(): Promise<Message> {
    return this.parts.conversations.message(this.connection.viewer, this.answer.messageId);
  }

  /** The room may have said it meanwhile: then it is not said again. */
  private async start(message: Message, model: string | null): Promise<void> {
    if (this.told.started) return;
    this.told.started = true;
    await this.connection.sendAndWait(responseStartFrame(message, model));
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
