import { ParleyError, type ErrorCode } from '../../base/errors.ts';
import { RoomMember, type Pieces, type Room, type Rooms, type SocketConnection } from '../shared/index.ts';

/** An event of the server. */
export interface StudioFrame {
  event: string;
  payload: Record<string, unknown>;
}

/** Conversations one socket may be in at the same time. */
export const mostSeats = 100;

/** The group of all sockets in a room, or of those that are told growing answers there. */
export function groupOf(chatId: string, streams: boolean): string {
  return `${streams ? 'answers' : 'room'}:${chatId}`;
}

/** One socket in the room of one conversation, or beside it: who follows an answer need not have joined. */
export class Seat extends RoomMember<StudioFrame> {
  readonly connection: SocketConnection;
  readonly room: Room<StudioFrame>;
  joined = false;
  /** Whether the room tells it growing answers. */
  streams = false;
  private readonly leave: (seat: Seat) => void;

  constructor(connection: SocketConnection, room: Room<StudioFrame>, leave: (seat: Seat) => void) {
    super(connection.viewer);
    this.connection = connection;
    this.room = room;
    this.leave = leave;
  }

  /** Groups of Socket.IO hold the same sockets as the room, so that what all of them get is sent to a group. */
  join(streams: boolean): void {
    const { chatId } = this.room;
    this.joined = true;
    this.streams = streams;
    this.connection.enter(groupOf(chatId, false));
    if (streams) this.connection.enter(groupOf(chatId, true));
    else this.connection.exit(groupOf(chatId, true));
  }

  exit(): void {
    this.joined = false;
    for (const streams of [false, true]) this.connection.exit(groupOf(this.room.chatId, streams));
  }

  get pieces(): Pieces {
    return this.streams ? 'each' : 'none';
  }

  get isOpen(): boolean {
    return this.connection.isOpen;
  }

  get isSlow(): boolean {
    return this.connection.isSlow;
  }

  get source(): string {
    return this.connection.id;
  }

  send({ event, payload }: StudioFrame): void {
    this.connection.emit(event, payload);
  }

  sendAndWait({ event, payload }: StudioFrame): Promise<void> {
    return this.connection.emitAndWait(event, payload);
  }

  sendError(error: ParleyError, messageId: string): void {
    this.connection.emit('answer_error', { message_id: messageId, error: error.message, code: error.code });
  }

  /** The socket stays: it may be in other conversations. */
  close(_code: ErrorCode, _reason: string): void {
    this.leave(this);
  }

  override endAlone(messageId: string, abort: AbortController): void {
    super.endAlone(messageId, abort);
    if (!this.joined && this.alone.size === 0) this.leave(this);
  }
}

/** Which socket is in which conversations. */
export class Seats {
  private readonly rooms: Rooms<StudioFrame>;
  private readonly seats = new Map<SocketConnection, Map<string, Seat>>();

  constructor(rooms: Rooms<StudioFrame>) {
    this.rooms = rooms;
  }

  /**
   * Puts a socket into a conversation's room. Once more changes only whether it is told growing answers.
   * @throws {ParleyError} `rate_limited` for one that is in too many, and what reading the conversation throws
   */
  async join(connection: SocketConnection, conversationId: string, streams: boolean): Promise<void> {
    await this.enter(connection, conversationId, streams, (seat) => {
      seat.join(streams);
      seat.room.members.add(seat);
    });
  }

  /** Tells a socket one answer from a point on, whether it has joined or not. @throws {ParleyError} as `join` */
  async attach(connection: SocketConnection, conversationId: string, messageId: string, afterSeq: number): Promise<void> {
    await this.enter(connection, conversationId, false, (seat) => {
      // Who wants everything is told the beginning again, too.
      if (afterSeq === 0) seat.told(messageId).started = false;
      seat.room.attach(seat, messageId, afterSeq);
    });
  }

  leave(connection: SocketConnection, conversationId: string): void {
    const seat = this.seats.get(connection)?.get(conversationId);
    if (seat) this.remove(seat);
  }

  leaveAll(connection: SocketConnection): void {
    // What is removed while one walks over it is passed over.
    for (const seat of this.seats.get(connection)?.values() ?? []) this.remove(seat);
  }

  private async enter(connection: SocketConnection, conversationId: string, wantsPieces: boolean, begin: (seat: Seat) => void): Promise<void> {
    const own = this.seats.get(connection);
    const known = own?.get(conversationId);
    if (!known && (own?.size ?? 0) >= mostSeats) throw new ParleyError('rate_limited', { message: `A socket can be in at most ${mostSeats} conversations.` });
    await this.rooms.enter(connection.viewer, conversationId, wantsPieces, (room) => {
      // One hold of the room for each seat, however often it joins.
      if (!connection.isOpen) return this.rooms.leave(room);
      const present = this.seats.get(connection)?.get(conversationId);
      if (present?.room === room) this.rooms.leave(room);
      else if (present) this.remove(present);
      const seat = present?.room === room ? present : new Seat(connection, room, (left) => this.remove(left));
      const seats = this.seats.get(connection) ?? new Map<string, Seat>();
      this.seats.set(connection, seats);
      seats.set(conversationId, seat);
      begin(seat);
    });
  }

  private remove(seat: Seat): void {
    const seats = this.seats.get(seat.connection);
    if (seats?.get(seat.room.chatId) !== seat) return;
    seats.delete(seat.room.chatId);
    if (seats.size === 0) this.seats.delete(seat.connection);
    seat.exit();
    seat.room.members.delete(seat);
    seat.release();
    this.rooms.leave(seat.room);
  }
}
