import type { ParticipantsTable, Queries, WriteQueries } from '../../../base/storage/index.ts';
import type { Participant } from '../types.ts';

/** Those who take part in a conversation, with their names, in the order in which they came. */
export function participantRows(queries: Queries | WriteQueries, conversationId: string) {
  return queries
    .selectFrom('participants')
    .innerJoin('users', 'users.id', 'participants.user_id')
    .selectAll('participants')
    .select('users.username')
    .where('participants.conversation_id', '=', conversationId)
    .orderBy('participants.joined_at')
    .orderBy('participants.user_id');
}

export function toParticipant(row: ParticipantsTable & { username: string }): Participant {
  return {
    userId: row.user_id,
    username: row.username,
    role: row.role,
    canSendMessages: row.can_send_messages === 1,
    canUploadFiles: row.can_upload_files === 1,
    messageCount: row.message_count,
    joinedAt: row.joined_at,
    lastReadAt: row.last_read_at,
  };
}

/** A row for somebody who begins to take part, and has read nothing yet. */
export function participantRow(conversationId: string, userId: string, role: ParticipantsTable['role'], now: number): ParticipantsTable {
  return { conversation_id: conversationId, user_id: userId, role, can_send_messages: 1, can_upload_files: 1, message_count: 0, joined_at: now, last_read_at: null, pinned_at: null };
}
