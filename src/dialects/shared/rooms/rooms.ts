import type { Viewer } from '../../../core/accounts/index.ts';
import type { DialectParts } from '../types.ts';
import type { RoomFrames } from './frames.ts';
import { Room } from './room.ts';

/** The rooms of one dialect in this process, one for each chat that has a socket. */
export interface Rooms<Frame> {
  /**
   * Opens the room of a chat, or joins it; the viewer's permission is checked. Every `enter` needs its `leave`.
   * @param wantsPieces whether the new member takes pieces of answers; without any such member none are read
   */
  enter(viewer: Viewer, chatId: string, wantsPieces?: boolean): Promise<Room<Frame>>;
  leave(room: Room<Frame>): void;
}

interface OpenRoom<Frame> {
  holders: number;
  room: Promise<Room<Frame>>;
  watching: { stop?: () => void };
}

export function createRooms<Frame>(parts: DialectParts, frames: RoomFrames<Frame>): Rooms<Frame> {
  const rooms = new Map<string, OpenRoom<Frame>>();

  const open = async (viewer: Viewer, chatId: string, watching: OpenRoom<Frame>['watching']): Promise<Room<Frame>> => {
    const room = new Room(parts, frames, chatId, viewer);
    watching.stop = await parts.conversations.watch(viewer, chatId, (event) => room.receive(event));
    return room;
  };
  const release = (chatId: string, entry: OpenRoom<Frame>): void => {
    entry.holders -= 1;
    if (entry.holders > 0) return;
    if (rooms.get(chatId) === entry) rooms.delete(chatId);
    entry.watching.stop?.();
  };

  return {
    async enter(viewer, chatId, wantsPieces = true) {
      await parts.conversations.get(viewer, chatId);
      let entry = rooms.get(chatId);
      if (!entry) {
        const watching: { stop?: () => void } = {};
        entry = { holders: 0, room: open(viewer, chatId, watching), watching };
        rooms.set(chatId, entry);
      }
      entry.holders += 1;
      try {
        const room = await entry.room;
        if (wantsPieces) await room.followAnswers();
        return room;
      } catch (error) {
        release(chatId, entry);
        throw error;
      }
    },
    leave(room) {
      const entry = rooms.get(room.chatId);
      if (!entry) return;
      if (entry.holders === 1) room.close();
      release(room.chatId, entry);
    },
  };
}
