import { z } from 'zod';
import type { Viewer } from '../../core/accounts/index.ts';
import {
  createRooms, requireScope, requireStillValidSocket, SocketSession, SocketSessions, text, typeOf, viewerOfUpgrade, type CredentialWatch, type DialectParts, type Room, type Rooms,
  type Upgrade,
} from '../shared/index.ts';
import { Connection } from './connection.ts';
import { unknownMessage } from './errors.ts';
import { errorFrame, pongFrame, welcomeFrame } from './frames.ts';
import { arketicFrames } from './room-frames.ts';

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
  const sessions = new SocketSessions(parts, credentials);
  add({
    pattern: socketPattern,
    dialect: 'arketic',
    async open(upgrade) {
      const viewer = await viewerOfUpgrade(parts, upgrade);
      await rooms.enter(viewer, upgrade.params['chat_id']!, true, (room) => new ChatSession(sessions, rooms, room, upgrade, viewer).begin());
      await requireStillValidSocket(parts.accounts, upgrade, viewer);
    },
  });
}

type ClientFrame = z.output<(typeof clientFrames)[keyof typeof clientFrames]>;

/** One socket of a chat, from its welcome to its end. */
class ChatSession extends SocketSession<ClientFrame> {
  private readonly rooms: Rooms<string>;
  private readonly room: Room<string>;
  private readonly connection: Connection;
  private uncount: () => void = () => undefined;

  constructor(sessions: SocketSessions, rooms: Rooms<string>, room: Room<string>, upgrade: Upgrade, viewer: Viewer) {
    super(sessions, upgrade, viewer);
    this.rooms = rooms;
    this.room = room;
    this.connection = new Connection(upgrade, viewer, upgrade.query.get('full_content') !== 'false', sessions.parts.clock);
  }

  /** Sends the welcome and joins the room at the same moment: nothing precedes it, nothing behind it is missed. */
  begin(): void {
    const { connection, room } = this;
    if (!connection.isOpen) return this.rooms.leave(room);
    this.listen();
    this.uncount = this.sessions.parts.presence.opened(room.chatId, this.viewer.userId);
    connection.send(welcomeFrame(room.chatId, connection.viewer, this.sessions.parts.clock.now()));
    room.members.add(connection);
  }

  protected closed(): void {
    this.uncount();
    this.room.members.delete(this.connection);
    this.connection.release();
    this.rooms.leave(this.room);
  }

  protected async handle(frame: ClientFrame): Promise<void> {
    const { connection } = this;
    const { parts } = this.sessions;
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

  protected parse(value: unknown): ClientFrame | null {
    const type = typeOf(value);
    if (type === undefined || !Object.hasOwn(clientFrames, type)) {
      return this.refuse(`Unknown message type: ${type?.slice(0, 40).toWellFormed() ?? 'none'}`, 'unknown_message_type');
    }
    return this.checked(clientFrames[type as keyof typeof clientFrames], value);
  }

  protected sendError(error: { message: string; code: string }): void {
    this.connection.send(errorFrame(error, this.sessions.parts.clock.now()));
  }

  /** @throws {ParleyError} `not_found` for a message of another chat, and what reading it throws */
  private async ownMessage(id: string): Promise<string> {
    const message = await this.sessions.parts.conversations.message(this.connection.viewer, id);
    if (message.conversationId !== this.room.chatId) throw unknownMessage();
    return message.id;
  }
}
