import { openConversation } from '../access.ts';
import { pageOfMessages } from '../management.ts';
import type { ConversationParts } from '../parts.ts';
import { participantRows, toParticipant } from './participants.ts';
import type { ReadMarks } from './read-marks.ts';
import type { Conversations } from '../contract.ts';

/** Most participants shown: more cannot take part. */
const mostShown = 1000;

/** What people read, and the marks that say up to when they have. */
export function createReading(parts: ConversationParts, marks: ReadMarks): Pick<Conversations, 'messages' | 'participants' | 'markRead' | 'received'> {
  const { storage } = parts;
  return {
    async messages(viewer, conversationId, page) {
      const messages = await pageOfMessages(parts, viewer, conversationId, page);
      if (!page.peek) marks.note(conversationId, [viewer.userId]);
      return messages;
    },
    async participants(viewer, conversationId) {
      await openConversation(storage.read, viewer, conversationId, 'read');
      const rows = await participantRows(storage.read, conversationId).limit(mostShown).execute();
      return rows.map((row) => {
        const waiting = marks.waiting(conversationId, row.user_id);
        return toParticipant(waiting !== null && waiting > (row.last_read_at ?? 0) ? { ...row, last_read_at: waiting } : row);
      });
    },
    async markRead(viewer, conversationId) {
      await openConversation(storage.read, viewer, conversationId, 'read');
      return marks.note(conversationId, [viewer.userId]);
    },
    received(conversationId, userIds) {
      marks.note(conversationId, userIds);
    },
  };
}
