import type { Viewer } from '../../../core/accounts/index.ts';
import type { DialectParts } from '../types.ts';
import type { RoomFrames } from './frames.ts';
import { Room } from './room.ts';

/** The rooms of one dialect in this process, one for each chat that has a socket. */
export interface Rooms<Frame> {
  /**
   * Opens the room of a chat, or joins it; the viewer's permission is checked. Every `enter` needs its `leave`.
   * @param wantsPieces whether the new member takes pieces of answers; without any such member none are read
   * @param begin called at the very moment up to which the permission is known to hold: adds the new member, so that no
   * removal is missed
   */
  enter(viewer: Viewer, chatId: string, wantsPieces?: boolean, begin?: (room: Room<Frame>) => void): Promise<Room<Frame>>;
  leave(room: Room<Frame>): void;
}

interface OpenRoom<Frame> {
  holders: number;
  room: Promise<Room<Frame>>;
  /** Ends the watching. */
  stop: () => void;
}

export function createRooms<Frame>(parts: DialectParts, frames: RoomFrames<Frame>): Rooms<Frame> {
  const { conversations } = parts;
  const rooms = new Map<string, OpenRoom<Frame>>();
  const entries = new WeakMap<Room<Frame>, OpenRoom<Frame>>();

  const forget = (chatId: string, entry: OpenRoom<Frame>): void => {
    if (rooms.get(chatId) === entry) rooms.delete(chatId);
  };
  const open = (viewer: Viewer, chatId: string): OpenRoom<Frame> => {
    const room = new Room(parts, frames, chatId, viewer);
    const entry: OpenRoom<Frame> = { holders: 0, room: Promise.resolve(room), stop: () => undefined };
    const watch = async (): Promise<Room<Frame>> => {
      entry.stop = await conversations.watch(viewer, chatId, (event) => {
        // One that comes back, from the trash say, gets a room of its own, also while a slow socket still hangs in this one.
        if (event.type === 'deleted') forget(chatId, entry);
        room.receive(event);
      });
      return room;
    };
    entry.room = watch();
    entries.set(room, entry);
    rooms.set(chatId, entry);
    return entry;
  };
  const release = (chatId: string, entry: OpenRoom<Frame>): void => {
    entry.holders -= 1;
    if (entry.holders > 0) return;
    forget(chatId, entry);
    entry.stop();
  };

  return {
    async enter(viewer, chatId, wantsPieces = true, begin = () => undefined) {
      // Who may not enter opens no room that others would be waiting for.
      if (!rooms.has(chatId)) await conversations.get(viewer, chatId);
      const entry = rooms.get(chatId) ?? open(viewer, chatId);
      entry.holders += 1;
      try {
        const room = await entry.room;
        if (wantsPieces) await room.followAnswers();
        for (let seen = -1; seen !== room.departures;) {
          seen = room.departures;
          await conversations.get(viewer, chatId);
        }
        begin(room);
        return room;
      } catch (error) {
        release(chatId, entry);
        throw error;
      }
    },
    leave(room) {
      const entry = entries.get(room);
      if (!entry || entry.holders === 0) return;
      if (entry.holders === 1) room.close();
      release(room.chatId, entry);
    },
  };
}
