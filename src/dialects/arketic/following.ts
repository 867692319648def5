import type { TurnEvent } from '../../core/conversations/index.ts';
import { showable, type DialectParts } from '../shared/index.ts';
import type { Connection } from './connection.ts';
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
  connection.alone.set(messageId, abort);
  const follower = new Follower(parts, connection, { chatId, messageId }, afterSeq);
  try {
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
    if (connection.alone.get(messageId) === abort) connection.alone.delete(messageId);
  }
}

/** What one socket knows of one answer. */
class Follower {
  private readonly parts: DialectParts;
  private readonly connection: Connection;
  private readonly answer: { chatId: string; messageId: string };
  private readonly growing: GrowingAnswer;
  private readonly started = new Set<string>();
  private leaving: Promise<void> = Promise.resolve();

  constructor(parts: DialectParts, connection: Connection, answer: { chatId: string; messageId: string }, afterSeq: number) {
    this.parts = parts;
    this.connection = connection;
    this.answer = answer;
    const { repeatsWhole } = connection;
    this.growing = new GrowingAnswer(answer, { text: '', reasoning: '', seq: afterSeq }, { plain: !repeatsWhole, whole: repeatsWhole }, ({ frame }) => {
      this.leaving = connection.sendAndWait(frame());
    });
  }

  async take(event: TurnEvent): Promise<void> {
    const { conversations, clock } = this.parts;
    const { connection, answer } = this;
    if (event.kind === 'start') {
      const message = await conversations.message(connection.viewer, answer.messageId);
      await connection.sendAndWait(responseStartFrame(message, event.model));
    } else if (event.kind === 'end') {
      this.growing.flush();
      const message = await conversations.message(connection.viewer, answer.messageId);
      await connection.sendAndWait(responseEndFrame(message, clock.now()));
    } else {
      if (event.kind === 'text' || event.kind === 'reasoning') await this.startFrom(event);
      this.growing.take(event);
    }
  }

  /** Sends what is due; resolves when everything sent so far has left. */
  async settle(): Promise<void> {
    this.growing.update();
    await this.leaving;
  }

  stop(): void {
    this.growing.stop();
  }

  /** What was said before the first piece is not sent again, but offsets count it and frames with the whole text repeat it. */
  private async startFrom(piece: { kind: 'text' | 'reasoning'; offset: number }): Promise<void> {
    if (this.started.has(piece.kind)) return;
    this.started.add(piece.kind);
    if (piece.offset === 0) return;
    const { content, reasoning } = await this.parts.conversations.message(this.connection.viewer, this.answer.messageId);
    this.growing.startFrom(piece.kind, (piece.kind === 'text' ? content : (reasoning ?? '')).slice(0, piece.offset));
  }
}
