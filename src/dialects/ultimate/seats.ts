import type { ErrorCode, ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Message } from '../../core/conversations/index.ts';
import { RoomMember, type Room, type Rooms } from '../shared/index.ts';

/** An event of the server. */
export interface AgentEvent {
  event: string;
  payload: Record<string, unknown>;
}

/** What a room tells: events as they are, and an answer that still has to be counted before it is told. */
export interface AgentFrame {
  chatId: string;
  events: readonly AgentEvent[];
  answer: Message | null;
}

/** One client, over Socket.IO or over plain frames. */
export interface AgentSocket {
  /** New for every connection. */
  readonly id: string;
  readonly viewer: Viewer;
  readonly isOpen: boolean;
  readonly isSlow: boolean;
  emit(event: string, payload: unknown): void;
  emitAndWait(event: string, payload: unknown): Promise<void>;
}

/** Conversations one socket is in at the same time; it leaves the one it used longest ago for another. */
const mostSeats = 100;

/** The events of a frame, with what had to be looked up. */
export type Resolve = (frame: AgentFrame, viewer: Viewer) => Promise<readonly AgentEvent[]>;

/** One socket in the room of one conversation. */
export class Seat extends RoomMember<AgentFrame> {
  readonly socket: AgentSocket;
  readonly room: Room<AgentFrame>;
  private readonly resolve: Resolve;
  private readonly leave: (seat: Seat) => void;

  constructor(socket: AgentSocket, room: Room<AgentFrame>, resolve: Resolve, leave: (seat: Seat) => void) {
    super(socket.viewer);
    this.socket = socket;
    this.room = room;
    this.resolve = resolve;
    this.leave = leave;
  }

  get pieces(): 'each' {
    return 'each';
  }

  get isOpen(): boolean {
    return this.socket.isOpen;
  }

  get isSlow(): boolean {
    return this.socket.isSlow;
  }

  /** It hears everything of its rooms, what it said itself included. */
  get source(): null {
    return null;
  }

  send(frame: AgentFrame): void {
    void this.sendAndWait(frame);
  }

  async sendAndWait(frame: AgentFrame): Promise<void> {
    const events = frame.answer === null ? frame.events : await this.resolve(frame, this.viewer);
    for (const { event, payload } of events) await this.socket.emitAndWait(event, payload);
  }

  sendError(error: ParleyError, messageId: string): void {
    this.socket.emit('agent_error', { event: 'chat_message', code: error.code, message: error.message, conversation_id: this.room.chatId, message_id: messageId });
  }

  /** The socket stays: it may be in other conversations. */
  close(_code: ErrorCode, _reason: string): void {
    this.leave(this);
  }
}

/** Which socket is in which conversations. */
export class Seats {
  private readonly rooms: Rooms<AgentFrame>;
  private readonly resolve: Resolve;
  private readonly seats = new Map<AgentSocket, Map<string, Seat>>();

  constructor(rooms: Rooms<AgentFrame>, resolve: Resolve) {
    this.rooms = rooms;
    this.resolve = resolve;
  }

  /** Sockets that are in any conversation. */
  get size(): number {
    return this.seats.size;
  }

  /**
   * Puts a socket into a conversation's room; it may be there already. @throws what reading the conversation throws
   */
  async enter(socket: AgentSocket, conversationId: string): Promise<void> {
    const own = this.seats.get(socket);
    const known = own?.get(conversationId);
    if (known) {
      // Last in the order of use.
      own!.delete(conversationId);
      own!.set(conversationId, known);
      return;
    }
    await this.rooms.enter(socket.viewer, conversationId, true, (room) => {
      const present = this.seats.get(socket)?.get(conversationId);
      // One hold of the room for each seat, however often it enters.
      if (!socket.isOpen || present?.room === room) return this.rooms.leave(room);
      if (present) this.remove(present);
      const seat = new Seat(socket, room, this.resolve, (left) => this.remove(left));
      const seats = this.seats.get(socket) ?? new Map<string, Seat>();
      this.seats.set(socket, seats);
      seats.set(conversationId, seat);
      room.members.add(seat);
      if (seats.size > mostSeats) this.remove(seats.values().next().value!);
    });
  }

  leaveAll(socket: AgentSocket): void {
    // What is removed while one walks over it is passed over.
    for (const seat of this.seats.get(socket)?.values() ?? []) this.remove(seat);
  }

  private remove(seat: Seat): void {
    const seats = this.seats.get(seat.socket);
    if (seats?.get(seat.room.chatId) !== seat) return;
    seats.delete(seat.room.chatId);
    if (seats.size === 0) this.seats.delete(seat.socket);
    seat.room.members.delete(seat);
    seat.release();
    this.rooms.leave(seat.room);
  }
}
