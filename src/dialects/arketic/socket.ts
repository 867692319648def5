import type { RawData, WebSocket } from 'ws';
import { z } from 'zod';
import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import {
  check, createRooms, parseJson, requireScope, showable, takeFrom, text, type CredentialWatch, type DialectParts, type Room, type Rooms, type Upgrade,
  type Watched,
} from '../shared/index.ts';
import { Connection } from './connection.ts';
import { unknownMessage } from './errors.ts';
import { errorFrame, pongFrame, welcomeFrame } from './frames.ts';
import { arketicFrames } from './room-frames.ts';

/** Milliseconds without a frame of the client after which a socket is closed. What the server sends does not count. */
const idleMs = 300_000;

/** Malformed frames in a row that close a socket. */
const mostMalformed = 3;

/** Frames that wait to be handled before no more are read. */
const mostWaiting = 32;

const messageId = text({ min: 1, max: 200 });
const timestamp = text({ max: 64 });

/** What a client may send. */
export const clientFrames = {
  ping: z.object({ type: z.literal('ping'), timestamp }),
  heartbeat: z.object({ type: z.literal('heartbeat'), timestamp: timestamp.optional() }),
  cancel: z.object({ type: z.literal('cancel'), message_id: messageId }),
  attach: z.object({ type: z.literal('attach'), message_id: messageId, after_seq: z.int().min(0).default(0) }),
} as const;

export const socketPattern = '/api/v1/chat/chats/:chat_id/ws';

/** The raw WebSocket of a chat. */
export function registerSocket(parts: DialectParts, credentials: CredentialWatch, add: (route: { pattern: string; dialect: string; open(upgrade: Upgrade): Promise<void> }) => void): void {
  const rooms = createRooms(parts, arketicFrames(parts.clock));
  const sessions = new OpenSessions(credentials);
  add({
    pattern: socketPattern,
    dialect: 'arketic',
    async open(upgrade) {
      const viewer = await viewerOfUpgrade(parts, upgrade);
      const room = await rooms.enter(viewer, upgrade.params['chat_id']!);
      new SocketSession(parts, credentials, sessions, rooms, room, upgrade, viewer).begin();
    },
  });
}

/** @throws {ParleyError} `unauthorized`, `origin_refused` (a cookie from a foreign page), `rate_limited` */
async function viewerOfUpgrade(parts: DialectParts, { request, query }: Upgrade): Promise<Viewer> {
  const { accounts } = parts;
  const viewer = await accounts.authenticate(
    { headers: request.headers, method: 'GET', queryToken: query.get('token'), socket: request.socket },
    { localTrust: false, cookie: true },
  );
  if (!viewer) throw new ParleyError('unauthorized');
  if (viewer.via === 'cookie' && !accounts.originAllowed(request.headers)) throw new ParleyError('origin_refused');
  requireScope(viewer, 'read');
  await takeFrom(parts, { name: 'requests', count: parts.settings.limits.requestsPerMinute, windowMs: 60_000 }, viewer.userId);
  return viewer;
}

/** The sessions of this process, with one listener of each kind and one look at the clock for all of them. */
class OpenSessions {
  private readonly credentials: CredentialWatch;
  private readonly sessions = new Map<WebSocket, SocketSession>();
  private stopLooking: (() => void) | null = null;
  private readonly onMessage: (this: WebSocket, data: RawData, isBinary: boolean) => void;
  private readonly onClose: (this: WebSocket) => void;

  constructor(credentials: CredentialWatch) {
    const sessions = this.sessions;
    const remove = (socket: WebSocket): void => this.remove(socket);
    this.credentials = credentials;
    this.onMessage = function onMessage(this: WebSocket, data, isBinary) {
      sessions.get(this)?.receive(data as Buffer, isBinary);
    };
    this.onClose = function onClose(this: WebSocket) {
      sessions.get(this)?.end();
      remove(this);
    };
  }

  add(socket: WebSocket, session: SocketSession): void {
    this.sessions.set(socket, session);
    socket.on('message', this.onMessage);
    socket.on('close', this.onClose);
    this.stopLooking ??= this.credentials.everySecond(() => {
      for (const open of this.sessions.values()) open.closeWhenIdle();
    });
  }

  private remove(socket: WebSocket): void {
    this.sessions.delete(socket);
    if (this.sessions.size > 0) return;
    this.stopLooking?.();
    this.stopLooking = null;
  }
}

/** Where the order of a socket's frames begins. */
const atOnce = Promise.resolve();

/**
 * One socket from its welcome to its end. Thousands may be idle at a time, so it keeps little: of its request nothing but
 * what it is called in the log.
 */
class SocketSession implements Watched {
  private readonly parts: DialectParts;
  private readonly credentials: CredentialWatch;
  private readonly sessions: OpenSessions;
  private readonly rooms: Rooms<string>;
  private readonly room: Room<string>;
  private readonly socket: WebSocket;
  private readonly id: string;
  private readonly connection: Connection;
  private lastFrameAt: number;
  private malformed = 0;
  private waiting = 0;
  private order: Promise<void> = atOnce;

  constructor(parts: DialectParts, credentials: CredentialWatch, sessions: OpenSessions, rooms: Rooms<string>, room: Room<string>, { socket, query, id }: Upgrade, viewer: Viewer) {
    this.parts = parts;
    this.credentials = credentials;
    this.sessions = sessions;
    this.rooms = rooms;
    this.room = room;
    this.socket = socket;
    this.id = id;
    this.connection = new Connection(socket, viewer, query.get('full_content') !== 'false', parts.clock);
    this.lastFrameAt = parts.clock.monotonic();
  }

  /** Sends the welcome and joins the room at the same moment: nothing precedes it, nothing behind it is missed. */
  begin(): void {
    const { connection, room } = this;
    if (!connection.isOpen) return this.rooms.leave(room);
    this.credentials.add(this);
    this.sessions.add(this.socket, this);
    connection.send(welcomeFrame(room.chatId, connection.viewer, this.parts.clock.now()));
    room.members.add(connection);
  }

  get viewer(): Viewer {
    return this.connection.viewer;
  }

  /** Called when the credential expires or is revoked. */
  ended(): void {
    this.connection.closeWith(4401, 'token expired or revoked');
  }

  /** Called when the socket is closed. */
  end(): void {
    this.credentials.remove(this);
    this.room.members.delete(this.connection);
    this.connection.release();
    this.rooms.leave(this.room);
  }

  /** Called about once a second. */
  closeWhenIdle(): void {
    if (this.parts.clock.monotonic() - this.lastFrameAt >= idleMs) this.connection.closeWith(4408, 'no frame for five minutes');
  }

  /** Frames are handled one after another; a client that sends faster is not read meanwhile. */
  receive(data: Buffer, isBinary: boolean): void {
    this.lastFrameAt = this.parts.clock.monotonic();
    this.waiting += 1;
    if (this.waiting > mostWaiting) this.socket.pause();
    this.order = this.order
      .then(() => this.handle(data, isBinary))
      .catch((thrown: unknown) => this.answerError(thrown))
      .finally(() => {
        this.waiting -= 1;
        if (this.waiting <= mostWaiting && this.socket.isPaused) this.socket.resume();
      });
  }

  private async handle(data: Buffer, isBinary: boolean): Promise<void> {
    if (!this.connection.isOpen) return;
    const { parts, connection } = this;
    await takeFrom(parts, { name: 'socket-frames', count: parts.settings.limits.requestsPerMinute, windowMs: 60_000 }, connection.viewer.userId);
    const frame = this.parse(data, isBinary);
    if (!frame) return;
    this.malformed = 0;
    switch (frame.type) {
      case 'ping':
        return connection.send(pongFrame(frame.timestamp, parts.clock.now()));
      case 'heartbeat':
        return;
      case 'cancel':
        requireScope(connection.viewer, 'write');
        await parts.conversations.cancel(connection.viewer, await this.ownMessage(frame.message_id));
        return;
      case 'attach': {
        const message = await this.ownMessage(frame.message_id);
        // Who wants everything is told the beginning again, too.
        if (frame.after_seq === 0) connection.told(message).started = false;
        this.room.attach(connection, message, frame.after_seq);
      }
    }
  }

  /** The frame, or null when it is malformed: that has been answered then. */
  private parse(data: Buffer, isBinary: boolean): z.output<(typeof clientFrames)[keyof typeof clientFrames]> | null {
    if (isBinary) return this.refuse('Frames must be text.', 'invalid_json');
    let value: unknown;
    try {
      value = parseJson(data.toString('utf8'));
    } catch {
      return this.refuse('The frame is not valid JSON.', 'invalid_json');
    }
    const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
    if (typeof type !== 'string' || !Object.hasOwn(clientFrames, type)) {
      return this.refuse(`Unknown message type: ${typeof type === 'string' ? type.slice(0, 40).toWellFormed() : 'none'}`, 'unknown_message_type');
    }
    try {
      return check(clientFrames[type as keyof typeof clientFrames], value, 'frame');
    } catch (thrown) {
      return this.refuse(showable(thrown).message, 'validation_failed');
    }
  }

  private refuse(message: string, code: string): null {
    this.connection.send(errorFrame({ message, code }, this.parts.clock.now()));
    this.malformed += 1;
    if (this.malformed >= mostMalformed) this.connection.closeWith(4400, 'malformed frames');
    return null;
  }

  /** @throws {ParleyError} `not_found` for a message of another chat, and what reading it throws */
  private async ownMessage(id: string): Promise<string> {
    const message = await this.parts.conversations.message(this.connection.viewer, id);
    if (message.conversationId !== this.room.chatId) throw unknownMessage();
    return message.id;
  }

  private answerError(thrown: unknown): void {
    const error = showable(thrown);
    if (error.status >= 500) this.parts.log.error({ socketId: this.id, err: error.cause ?? error }, error.message);
    this.connection.sendError(error);
  }
}
