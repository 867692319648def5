import { z } from 'zod';
import { errorTable, ParleyError } from '../../base/errors.ts';
import { usernameKey } from '../../core/accounts/index.ts';
import type { Message } from '../../core/conversations/index.ts';
import {
  closeSocket, failureOf, requireScope, requireStillValidSocket, sendFrame, sendFrameAndWait, SocketSession, SocketSessions, text, typeOf, viewerOfUpgrade, type CredentialWatch,
  type DialectParts, type UpgradeRoute,
} from '../shared/index.ts';
import { ask, conversationOf } from './asking.ts';
import { cancelNumbered } from './chat.ts';
import { chunkFrame, errorFrame, replyFrame, startFrame } from './frames.ts';
import { secondsSince } from './replies.ts';
import { messageNumber, messageText, sessionId } from './schemas.ts';

/** Messages of one socket whose replies are awaited at a time; further ones wait for a place. */
const mostAwaited = 8;

/** Replies one socket may follow by `attach` at the same time. */
const mostAttached = 8;

/** Refusals by a limit in a row that close a socket. */
const mostLimited = 3;

const timestamp = text({ max: 64 });

/** What a client may send: a message has no `type`, all others are additions. */
export const clientFrames = {
  message: z.object({
    message: messageText,
    timestamp: timestamp.optional(),
    session_id: sessionId.nullish(),
    save_to_memory: z.boolean().default(true),
    stream: z.boolean().default(false),
  }),
  attach: z.object({ type: z.literal('attach'), message_id: messageNumber, session_id: sessionId.nullish(), after: z.int().min(0).default(0) }),
  cancel: z.object({ type: z.literal('cancel'), message_id: messageNumber, session_id: sessionId.nullish() }),
  heartbeat: z.object({ type: z.literal('heartbeat'), timestamp: timestamp.optional() }),
} as const;

type MessageFrame = z.output<typeof clientFrames.message> & { type: 'message' };
type ClientFrame = MessageFrame | z.output<(typeof clientFrames)['attach' | 'cancel' | 'heartbeat']>;

export const socketPattern = '/api/chat/ws/:user_id';

/** The chat over a raw WebSocket. */
export function registerSocket(parts: DialectParts, credentials: CredentialWatch, add: (route: UpgradeRoute) => void): void {
  const sessions = new SocketSessions(parts, credentials);
  add({
    pattern: socketPattern,
    dialect: 'friend',
    async open(upgrade) {
      const viewer = await viewerOfUpgrade(parts, upgrade);
      if (usernameKey(upgrade.params['user_id']!) !== usernameKey(viewer.username)) throw new ParleyError('forbidden', { message: 'This is the address of another user.' });
      new FriendSession(sessions, upgrade, viewer).begin();
      await requireStillValidSocket(parts.accounts, upgrade, viewer);
    },
  });
}

/** One socket of a user. There is no welcome: the first frame of the server answers the first message. */
class FriendSession extends SocketSession<ClientFrame> {
  /** Ends when every reply and error before it has been sent: each message gets exactly one, in order. */
  private lane: Promise<void> = Promise.resolve();
  private readonly awaited = new Set<Promise<void>>();
  private attached = 0;
  private limited = 0;
  private readonly gone = new AbortController();

  begin(): void {
    this.listen();
  }

  protected closed(): void {
    this.gone.abort();
  }

  protected parse(value: unknown): ClientFrame | null {
    const type = typeOf(value);
    if (type === undefined || type === 'message') return this.parseMessage(value);
    if (!Object.hasOwn(clientFrames, type)) return this.refuse(`Unknown message type: ${type.slice(0, 40).toWellFormed()}`, 'unknown_message_type');
    return this.checked(clientFrames[type as Exclude<keyof typeof clientFrames, 'message'>], value);
  }

  /** An empty message is told apart, because it is the fault that people make. */
  private parseMessage(value: unknown): MessageFrame | null {
    const content = typeof value === 'object' && value !== null && 'message' in value ? value.message : undefined;
    if (typeof content === 'string' && content.trim() === '') return this.refuse(errorTable.empty_message.sentence, 'empty_message');
    const frame = this.checked(clientFrames.message, value);
    return frame && { ...frame, type: 'message' };
  }

  protected async handle(frame: ClientFrame, arrivedAt: number): Promise<void> {
    switch (frame.type) {
      case 'heartbeat':
        return;
      case 'message':
        return this.ask(frame, arrivedAt);
      case 'cancel':
      case 'attach':
        // What goes wrong here answers no message, so it waits for none.
        return this.control(frame).catch((thrown: unknown) => sendFrame(this.socket, errorFrame(this.noted(thrown), this.now(), frame.type)));
    }
  }

  private async ask(frame: MessageFrame, arrivedAt: number): Promise<void> {
    requireScope(this.viewer, 'write');
    while (this.awaited.size >= mostAwaited) await Promise.race(this.awaited);
    const answer = await ask(this.sessions.parts, this.viewer, { message: frame.message, sessionId: frame.session_id, saveToMemory: frame.save_to_memory });
    this.limited = 0;
    if (frame.stream) sendFrame(this.socket, startFrame(answer, this.now()));
    const outcome = this.reply(answer, frame.stream ? 0 : null).then((response) => ({ response }), (thrown: unknown) => ({ thrown }));
    const awaited = this.inOrder(async () => {
      const ended = await outcome;
      if ('thrown' in ended) throw ended.thrown;
      const { response } = ended;
      const processingTime = secondsSince(this.sessions.parts, arrivedAt);
      sendFrame(this.socket, replyFrame({ response, processingTime }, this.now(), frame.stream ? answer : undefined));
    }).finally(() => this.awaited.delete(awaited));
    this.awaited.add(awaited);
  }

  private async control(frame: Extract<ClientFrame, { type: 'cancel' | 'attach' }>): Promise<void> {
    const { parts } = this.sessions;
    if (frame.type === 'cancel') {
      requireScope(this.viewer, 'write');
      await cancelNumbered(parts, this.viewer, frame);
      return;
    }
    if (this.attached >= mostAttached) throw new ParleyError('rate_limited', { message: `At most ${mostAttached} replies can be followed at the same time.` });
    const { id } = await conversationOf(parts, this.viewer, frame.session_id);
    const answer = await parts.conversations.messageNumbered(this.viewer, id, frame.message_id);
    if (answer.role !== 'assistant') throw new ParleyError('conflict', { message: 'Only replies can be followed.' });
    void this.attach(answer, frame.after);
  }

  /** Tells what a reply says behind `after`, and, when it has ended, the whole of it. */
  private async attach(answer: Message, after: number): Promise<void> {
    this.attached += 1;
    try {
      const response = await this.reply(answer, after);
      const { durationMs } = await this.sessions.parts.conversations.message(this.viewer, answer.id);
      sendFrame(this.socket, replyFrame({ response, processingTime: durationMs === null ? null : durationMs / 1000 }, this.now(), answer));
    } catch (thrown) {
      sendFrame(this.socket, errorFrame(this.noted(thrown), this.now(), 'attach'));
    } finally {
      this.attached -= 1;
    }
  }

  /**
   * The whole text of a reply.
   * @param piecesFrom UTF-16 units from where on its pieces are sent as they come; null for no pieces
   * @throws {ParleyError} as `failureOf`; `cancelled` when the socket closes: the reply goes on
   */
  private async reply(answer: Message, piecesFrom: number | null): Promise<string> {
    const { conversations } = this.sessions.parts;
    let told = piecesFrom ?? 0;
    for await (const batch of conversations.attach(this.viewer, answer.id, 0, this.gone.signal)) {
      for (const event of batch) {
        if (event.kind === 'end') {
          const failure = failureOf(event);
          if (failure) throw failure;
          return (await conversations.message(this.viewer, answer.id)).content;
        }
        if (event.kind !== 'text' || piecesFrom === null) continue;
        const fresh = event.text.slice(Math.max(0, told - event.offset));
        if (fresh === '') continue;
        // A slow client holds up only itself: what gathers meanwhile comes as one piece.
        await sendFrameAndWait(this.socket, chunkFrame(answer, fresh, event.offset + event.text.length - fresh.length));
        told = event.offset + event.text.length;
      }
    }
    throw new ParleyError('cancelled');
  }

  /** Runs when everything before it has been sent; what it throws is told as an error. */
  private inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.lane.then(work).catch((thrown: unknown) => this.tell(this.noted(thrown)));
    this.lane = done;
    return done;
  }

  protected override answerError(thrown: unknown): void {
    if (thrown instanceof ParleyError && thrown.code === 'rate_limited') {
      this.limited += 1;
      if (this.limited >= mostLimited) {
        this.sendError(thrown, true);
        return closeSocket(this.socket, thrown.closeCode, 'rate limit');
      }
    }
    super.answerError(thrown);
  }

  protected sendError(error: { message: string; code: string }, isLast: boolean): void {
    if (isLast) this.tell(error);
    else void this.inOrder(async () => this.tell(error));
  }

  private tell(error: { message: string; code: string }): void {
    sendFrame(this.socket, errorFrame(error, this.now()));
  }

  private now(): number {
    return this.sessions.parts.clock.now();
  }
}
