import { z } from 'zod';
import { filledText, freeObject, text, wholeNumber } from '../shared/index.ts';

/** Characters of a message, blanks around it left out. */
const maxMessage = 5000;

/** Bytes of what is sent along with a message, as JSON. */
const maxContext = 8192;

/** A message of a person, as it is on every way into a conversation. */
export const messageText = filledText(maxMessage * 2).refine((value) => [...value.trim()].length <= maxMessage, {
  error: `must have at most ${maxMessage} characters`,
  params: { kind: 'too_big' },
});

export const sessionId = text({ min: 1, max: 200 });

export const sendRequest = z.object({
  message: messageText,
  context: freeObject(maxContext).nullish().describe('Told the model as data, with this message only'),
  save_to_memory: z.boolean().default(true).describe('false keeps the exchange out of memory, not out of the history'),
  session_id: sessionId.nullish().describe('Addition: another own conversation than the current one'),
});

export const sendAnswer = z.object({
  response: z.string(),
  emotion: z.null().describe('Not built yet'),
  processing_time: z.number().describe('Seconds from the request to its answer'),
  memories_used: z.int().describe('Memories put into the prompt'),
  session_id: z.string(),
});

export const idempotencyHeader = z.object({ 'idempotency-key': text({ min: 1, max: 255 }).optional() });

export const streamQuery = z.object({
  message: messageText,
  token: text({ max: 4096 }).optional().describe('Addition: the token, for clients that cannot set headers. It never stands in a log'),
  session_id: sessionId.optional().describe('Addition: another own conversation than the current one'),
  idempotency_key: text({ min: 1, max: 255 }).optional().describe('Addition: the same message with the same key is sent once'),
});

export const historyQuery = z.object({
  limit: wholeNumber({ min: 1, max: 1000, fallback: 50 }),
  session_id: sessionId.optional().describe('Addition: another own conversation than the current one'),
});

export const historyAnswer = z.object({
  conversation_id: z.int(),
  session_id: z.string(),
  user_id: z.string(),
  stats: z.object({
    message_count: z.int().describe('All messages of the conversation, not only those of this page'),
    avg_processing_time: z.number().nullable().describe('Mean seconds of its replies; null while there are none'),
  }),
  messages: z.array(
    z.object({ id: z.int(), role: z.string(), content: z.string(), emotion: z.null().describe('Not built yet'), timestamp: z.string() }),
  ),
});

export const clearAnswer = z.object({ message: z.string(), new_session_id: z.string() });

export const sessionsQuery = z.object({ limit: wholeNumber({ min: 1, max: 1000, fallback: 50 }) });

export const sessionsAnswer = z.object({
  sessions: z.array(
    z.object({
      session_id: z.string(),
      conversation_id: z.int(),
      title: z.string(),
      message_count: z.int(),
      last_activity: z.string(),
      current: z.boolean(),
    }),
  ),
});

export const selectRequest = z.object({ session_id: sessionId });
export const selectAnswer = z.object({ message: z.string(), session_id: z.string() });

/** A message as the history numbers it. */
export const messageNumber = z.int().min(1).max(2_147_483_647);

export const cancelRequest = z.object({ message_id: messageNumber, session_id: sessionId.nullish() });
export const cancelAnswer = z.object({ message: z.string(), status: z.string() });
