import { z } from 'zod';
import { text } from '../shared/index.ts';
import { participantFields } from './schemas.ts';

const id = text({ min: 1, max: 200 });

export const participantPath = z.object({ chat_id: id, user_id: id });

export const inviteBody = z.object({ username: text({ min: 1, max: 32 }).describe('Of an account on this server') });

export const changeParticipantBody = z.object({
  role: z.enum(['OWNER', 'ADMIN', 'MEMBER']).optional().describe('OWNER hands the chat over; the owner so far becomes an admin'),
  can_send_messages: z.boolean().optional(),
  can_upload_files: z.boolean().optional(),
});

export const namedParticipant = participantFields.extend({ username: z.string() });

export const publicChats = z.array(
  z.object({
    id: z.string(),
    title: z.string(),
    description: z.string().nullable(),
    chat_type: z.enum(['DIRECT', 'GROUP', 'CHANNEL']),
    tags: z.array(z.string()).nullable(),
    message_count: z.int(),
    participant_count: z.int(),
    last_activity_at: z.string(),
    created_at: z.string(),
    is_participant: z.boolean(),
  }),
);

export const readAnswer = z.object({ chat_id: z.string(), last_read_at: z.string() });
