import type { Clock } from '../../base/clock.ts';
import { textFrame, type RoomFrames, type RoomMember } from '../shared/index.ts';
import type { Connection } from './connection.ts';
import {
  branchChangedFrame, chatDeletedFrame, chatUpdatedFrame, chunkFrame, newMessageFrame, participantFrame, responseEndFrame, responseStartFrame, typingFrame,
} from './frames.ts';

/** What the sockets of a chat are told. Every socket follows answers, so an ended one needs no frame of its own. */
export function arketicFrames(clock: Clock): RoomFrames<string> {
  return {
    message: newMessageFrame,
    answer: () => null,
    typing: (chatId, event) => (event.isTyping ? typingFrame(chatId, event) : null),
    participant: participantFrame,
    branchChanged: branchChangedFrame,
    changed: chatUpdatedFrame,
    deleted: chatDeletedFrame,
    started: responseStartFrame,
    chunk: chunkFrame,
    ended: (message) => responseEndFrame(message, clock.now()),
    sendToMany(members: readonly RoomMember<string>[], frame) {
      const prepared = textFrame(frame);
      for (const member of members) (member as Connection).sendPrepared(prepared);
    },
  };
}
