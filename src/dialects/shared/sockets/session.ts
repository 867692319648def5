import type { RawData, WebSocket } from 'ws';
import type { z } from 'zod';
import type { ParleyError } from '../../../base/errors.ts';
import type { Viewer } from '../../../core/accounts/index.ts';
import { parseJson } from '../body.ts';
import type { CredentialWatch, Watched } from '../credential-watch.ts';
import { showable } from '../errors.ts';
import type { DialectParts } from '../types.ts';
import type { Upgrade } from '../upgrades.ts';
import { check } from '../validation.ts';
import { takeFrom } from '../viewers.ts';
import { closeSocket, isOpen } from './sending.ts';

/** Milliseconds without a frame of the client after which a socket is closed. What the server sends does not count. */
const idleMs = 300_000;

/** Malformed frames in a row that close a socket. */
const mostMalformed = 3;

/** Frames that wait to be handled before no more are read. */
const mostWaiting = 32;

/** The sockets of one dialect in this process, with one listener of each kind and one look at the clock for all of them. */
export class SocketSessions {
  readonly parts: DialectParts;
  readonly credentials: CredentialWatch;
  private readonly sessions = new Map<WebSocket, SocketSession<unknown>>();
  private stopLooking: (() => void) | null = null;
  private readonly onMessage: (this: WebSocket, data: RawData, isBinary: boolean) => void;
  private readonly onClose: (this: WebSocket) => void;

  constructor(parts: DialectParts, credentials: CredentialWatch) {
    const sessions = this.sessions;
    const remove = (socket: WebSocket): void => this.remove(socket);
    this.parts = parts;
    this.credentials = credentials;
    this.onMessage = function onMessage(this: WebSocket, data, isBinary) {
      sessions.get(this)?.receive(data as Buffer, isBinary);
    };
    this.onClose = function onClose(this: WebSocket) {
      sessions.get(this)?.end();
      remove(this);
    };
  }

  add(socket: WebSocket, session: SocketSession<unknown>): void {
    this.sessions.set(socket, session);
    this.credentials.add(session);
    socket.on('message', this.onMessage);
    socket.on('close', this.onClose);
    this.stopLooking ??= this.credentials.everySecond(() => {
      for (const open of this.sessions.values()) open.closeWhenIdle();
    });
  }

  private remove(socket: WebSocket): void {
    const session = this.sessions.get(socket);
    if (session) this.credentials.remove(session);
    this.sessions.delete(socket);
    if (this.sessions.size > 0) return;
    this.stopLooking?.();
    this.stopLooking = null;
  }
}

/** Where the order of a socket's frames begins. */
const atOnce = Promise.resolve();

/**
 * One raw socket from its opening to its end: JSON frames in their order, malformed ones, the idle clock, the credential.
 * Thousands may be idle at a time, so it keeps little: of its request nothing but what it is called in the log.
 */
export abstract class SocketSession<Frame> implements Watched {
  readonly viewer: Viewer;
  protected readonly sessions: SocketSessions;
  protected readonly socket: WebSocket;
  private readonly id: string;
  private lastFrameAt: number;
  private malformed = 0;
  private waiting = 0;
  private order: Promise<void> = atOnce;

  constructor(sessions: SocketSessions, { socket, id }: Upgrade, viewer: Viewer) {
    this.sessions = sessions;
    this.socket = socket;
    this.id = id;
    this.viewer = viewer;
    this.lastFrameAt = sessions.parts.clock.monotonic();
  }

  /** The frame that a JSON value is; null when it is none, and `refuse` has said so. */
  protected abstract parse(value: unknown): Frame | null;
  /** What it throws is told by `sendError`. @param arrivedAt milliseconds of the monotonic clock */
  protected abstract handle(frame: Frame, arrivedAt: number): Promise<void>;
  /** @param isLast whether the socket is closed behind it */
  protected abstract sendError(error: { message: string; code: string }, isLast: boolean): void;
  /** Called once, when the socket has closed. */
  protected abstract closed(): void;

  /** Begins to listen. */
  protected listen(): void {
    this.sessions.add(this.socket, this);
  }

  /** Says that a frame was malformed; several in a row close the socket. */
  protected refuse(message: string, code: string): null {
    this.malformed += 1;
    const isLast = this.malformed >= mostMalformed;
    this.sendError({ message, code }, isLast);
    if (isLast) this.close(4400, 'malformed frames');
    return null;
  }

  /** The value in the form of a schema; null when it has not, and that was said. */
  protected checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> | null {
    try {
      return check(schema, value, 'frame');
    } catch (thrown) {
      return this.refuse(showable(thrown).message, 'validation_failed');
    }
  }

  /** Called with what handling a frame throws. */
  protected answerError(thrown: unknown): void {
    this.sendError(this.noted(thrown), false);
  }

  /** The error that may be shown; faults of the server go to the log with their cause. */
  protected noted(thrown: unknown): ParleyError {
    const error = showable(thrown);
    if (error.status >= 500) this.sessions.parts.log.error({ socketId: this.id, err: error.cause ?? error }, error.message);
    return error;
  }

  protected close(code: number, reason: string): void {
    closeSocket(this.socket, code, reason);
  }

  /** Called when the credential expires or is revoked. */
  ended(): void {
    closeSocket(this.socket, 4401, 'token expired or revoked');
  }

  /** Called when the socket is closed. */
  end(): void {
    this.closed();
  }

  /** Called about once a second. */
  closeWhenIdle(): void {
    if (this.sessions.parts.clock.monotonic() - this.lastFrameAt >= idleMs) this.close(4408, 'no frame for five minutes');
  }

  /** Frames are handled one after another; a client that sends faster is not read meanwhile. */
  receive(data: Buffer, isBinary: boolean): void {
    const arrivedAt = this.sessions.parts.clock.monotonic();
    this.lastFrameAt = arrivedAt;
    this.waiting += 1;
    if (this.waiting > mostWaiting) this.socket.pause();
    this.order = this.order
      .then(() => this.take(data, isBinary, arrivedAt))
      .catch((thrown: unknown) => this.answerError(thrown))
      .finally(() => {
        this.waiting -= 1;
        if (this.waiting <= mostWaiting && this.socket.isPaused) this.socket.resume();
      });
  }

  private async take(data: Buffer, isBinary: boolean, arrivedAt: number): Promise<void> {
    if (!isOpen(this.socket)) return;
    const { parts } = this.sessions;
    await takeFrom(parts, { name: 'socket-frames', count: parts.settings.limits.requestsPerMinute, windowMs: 60_000 }, this.viewer.userId);
    const frame = this.read(data, isBinary);
    if (frame === null) return;
    this.malformed = 0;
    // The kind of a frame may be a text of the client's, which is kept nowhere.
    if (parts.tracer?.active) return parts.tracer.event('frame', async () => this.handle(frame, arrivedAt));
    return this.handle(frame, arrivedAt);
  }

  private read(data: Buffer, isBinary: boolean): Frame | null {
    if (isBinary) return this.refuse('Frames must be text.', 'invalid_json');
    let value: unknown;
    try {
      value = parseJson(data.toString('utf8'));
    } catch {
      return this.refuse('The frame is not valid JSON.', 'invalid_json');
    }
    return this.parse(value);
  }
}

/** The `type` of a frame; undefined where it has none that is a text. */
export function typeOf(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' ? value.type : undefined;
}
