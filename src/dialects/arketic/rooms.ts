import type { Viewer } from '../../core/accounts/index.ts';
import type { DialectParts } from '../shared/index.ts';
import { Room } from './room.ts';

/** Newest messages looked through for answers that run already: eight may wait, each behind its question. */
const recentMessages = 40;

/** The rooms of this process, one for each chat that has a socket. */
export interface Rooms {
  /** Opens the room of a chat, or joins it; the viewer's permission is checked. Every `enter` needs its `leave`. */
  enter(viewer: Viewer, chatId: string): Promise<Room>;
  leave(room: Room): void;
}

interface OpenRoom {
  holders: number;
  room: Promise<Room>;
  watching: { stop?: () => void };
}

export function createRooms(parts: DialectParts): Rooms {
  const rooms = new Map<string, OpenRoom>();

  const open = async (viewer: Viewer, chatId: string, watching: OpenRoom['watching']): Promise<Room> => {
    const room = new Room(parts, chatId, viewer);
    watching.stop = await parts.conversations.watch(viewer, chatId, (event) => room.receive(event));
    for (const message of await parts.conversations.messages(viewer, chatId, { limit: recentMessages, offset: 0 })) {
      if (message.status === 'PROCESSING' || message.status === 'QUEUED') room.follow(message, true);
    }
    return room;
  };
  const release = (chatId: string, entry: OpenRoom): void => {
    entry.holders -= 1;
    if (entry.holders > 0) return;
    if (rooms.get(chatId) === entry) rooms.delete(chatId);
    entry.watching.stop?.();
  };

  return {
    async enter(viewer, chatId) {
      await parts.conversations.get(viewer, chatId);
      let entry = rooms.get(chatId);
      if (!entry) {
        const watching: { stop?: () => void } = {};
        entry = { holders: 0, room: open(viewer, chatId, watching), watching };
        rooms.set(chatId, entry);
      }
      entry.holders += 1;
      try {
        return await entry.room;
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
