import { z } from 'zod';
import { filledText, freeObject, text, wholeNumber } from '../shared/index.ts';

/** An id in a path; what has not the form of one is simply not found. */
const id = text({ min: 1, max: 200 });

export const chatPath = z.object({ chat_id: id });
export const messagePath = z.object({ chat_id: id, message_id: id });

export const modelName = text({ min: 1, max: 200 });
export const systemPrompt = text({ max: 8000 });
const chatFields = {
  title: filledText(200),
  description: text({ max: 1000 }),
  ai_model: modelName,
  ai_persona: text({ max: 8000 }),
  system_prompt: systemPrompt,
  temperature: z.number().min(0).max(1),
  max_tokens: z.int().min(1).max(32_000),
  is_private: z.boolean(),
  tags: z.array(text({ max: 50 })).max(20),
};

export const createChat = z.object({
  title: chatFields.title,
  auto_title: z.boolean().default(false),
  description: chatFields.description.nullish(),
  chat_type: z.enum(['DIRECT', 'GROUP', 'CHANNEL']).default('DIRECT'),
  ai_model: modelName.nullable().default('gpt-3.5-turbo').describe('null: no model answers in this chat; `default`: the default model'),
  ai_persona: chatFields.ai_persona.nullish(),
  system_prompt: chatFields.system_prompt.nullish(),
  temperature: chatFields.temperature.nullable().default(0.7).describe('null leaves it to the model'),
  max_tokens: chatFields.max_tokens.nullable().default(2048).describe('null leaves it to the model'),
  is_private: chatFields.is_private.default(false),
  tags: chatFields.tags.nullish(),
});

export const changeChat = z.object({
  title: chatFields.title.optional(),
  description: chatFields.description.nullish(),
  ai_model: modelName.nullish(),
  ai_persona: chatFields.ai_persona.nullish(),
  system_prompt: chatFields.system_prompt.nullish(),
  temperature: chatFields.temperature.nullish(),
  max_tokens: chatFields.max_tokens.nullish(),
  is_private: chatFields.is_private.optional(),
  tags: chatFields.tags.nullish(),
});

export type ChangeChat = z.output<typeof changeChat>;

export const chatsPage = z.object({
  limit: wholeNumber({ min: 1, max: 1000, fallback: 50 }),
  offset: wholeNumber({ min: 0, max: 1_000_000_000, fallback: 0 }),
});

export const chatsQuery = chatsPage.extend({
  state: z.enum(['open', 'archived', 'trashed']).default('open').describe('Addition. The trash holds own chats alone'),
  pinned: z.enum(['true', 'false']).optional().describe('Addition. Only those that the reader has pinned, or has not'),
  include: z.enum(['whole']).optional().describe('Addition. Chats with everything that one chat shows'),
});

export const historyPage = z.object({
  limit: wholeNumber({ min: 1, max: 1000, fallback: 100 }),
  offset: wholeNumber({ min: 0, max: 1_000_000_000, fallback: 0 }),
  include: z.enum(['branches']).optional(),
});

export const sendMessage = z.object({
  content: text({ max: 50_000 }).describe('1 to 50000 characters; blank is refused with 400, but beside pictures'),
  message_type: z.enum(['USER', 'AI', 'SYSTEM']).default('USER').describe('Only USER may be sent'),
  reply_to_id: id.nullish(),
  message_metadata: freeObject(8192).nullish(),
  answer: z.boolean().default(true).describe('Whether a model answers'),
  images: z.array(text({ min: 1, max: 8_400_000 })).max(8).nullish().describe('Addition. Pictures as data: URLs with base64 (PNG, JPEG, GIF, WebP, 6 MB each), or https: addresses, which the service of the model reads'),
});

export const picturePath = messagePath.extend({ position: wholeNumber({ min: 0, max: 7, fallback: 0 }) });

export const sendQuery = z.object({ include: z.enum(['answer']).optional() });

export const editMessage = z.object({ content: text({ max: 50_000 }), ai_model: modelName.nullish() });
export const branchOptions = z.object({ ai_model: modelName.nullish() }).nullish();
export const streamQuery = z.object({ after: wholeNumber({ min: 0, max: 1_000_000_000, fallback: 0 }) });

const time = z.string();

export const chatAnswer = z.object({
  id: z.string(),
  title: z.string(),
  description: z.string().nullable(),
  chat_type: z.enum(['DIRECT', 'GROUP', 'CHANNEL']),
  ai_model: z.string().nullable(),
  ai_persona: z.string().nullable(),
  message_count: z.int(),
  last_activity_at: time,
  created_at: time,
  is_private: z.boolean(),
  tags: z.array(z.string()).nullable(),
});

/** With what the page needs beside the document's fields. */
export const wholeChatAnswer = chatAnswer.extend({
  head_id: z.string().nullable(),
  system_prompt: z.string().nullable(),
  temperature: z.number().nullable(),
  max_tokens: z.int().nullable(),
  archived_at: time.nullable(),
  trashed_at: time.nullable(),
  pinned_at: time.nullable().describe("The reader's own pin"),
});

export const messageAnswer = z.object({
  id: z.string(),
  chat_id: z.string(),
  sender_id: z.string().nullable(),
  content: z.string(),
  message_type: z.enum(['USER', 'AI', 'SYSTEM']),
  ai_model_used: z.string().nullable(),
  tokens_used: z.int().nullable(),
  processing_time_ms: z.int().nullable(),
  status: z.enum(['QUEUED', 'PROCESSING', 'DELIVERED', 'CANCELLED', 'FAILED', 'INTERRUPTED']),
  created_at: time,
  is_edited: z.boolean(),
});

export const wholeMessageAnswer = messageAnswer.extend({
  model: z.string().nullable().describe('`provider/model`'),
  parent_id: z.string().nullable(),
  seq: z.int(),
  siblings: z.array(z.string()),
  reasoning: z.string().nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  finish_reason: z.enum(['stop', 'length', 'tool', 'content_filter']).nullable(),
  tokens: z.object({ input: z.int().nullable(), output: z.int().nullable(), reasoning: z.int().nullable(), cached: z.int().nullable() }),
  cost_usd: z.number().nullable(),
  time_to_first_token_ms: z.number().nullable(),
  confidence: z.number().nullable(),
  last_event_seq: z.int(),
  reply_to_id: z.string().nullable(),
  message_metadata: z.record(z.string(), z.unknown()).nullable(),
  images: z.array(z.object({ url: z.string(), type: z.string().nullable(), bytes: z.int().nullable() })).describe('Pictures of the message: where each is read, here or at its own address'),
  replaces_id: z.string().nullable(),
  tool_calls: z.array(z.object({ id: z.string(), name: z.string(), arguments: z.string() })).nullable(),
  tool_call_id: z.string().nullable(),
  ended_at: time.nullable(),
});

export type ChatAnswer = z.output<typeof chatAnswer>;
export type WholeChatAnswer = z.output<typeof wholeChatAnswer>;
export type MessageAnswer = z.output<typeof messageAnswer>;
export type WholeMessageAnswer = z.output<typeof wholeMessageAnswer>;

export const historyAnswer = z.object({
  chat: z.union([wholeChatAnswer, chatAnswer]),
  messages: z.array(z.union([wholeMessageAnswer, messageAnswer])),
  participant_count: z.int(),
});

export const sentAnswer = z.object({ message: wholeMessageAnswer, answer: wholeMessageAnswer.nullable() });

export const participantFields = z.object({
  user_id: z.string(),
  role: z.enum(['OWNER', 'ADMIN', 'MEMBER']),
  joined_at: time,
  can_send_messages: z.boolean(),
  can_upload_files: z.boolean(),
  message_count: z.int(),
  last_read_at: time.nullable(),
});

export const participantsQuery = z.object({ include: z.enum(['username']).optional().describe('Addition: the name of each') });

export const participantsAnswer = z.object({
  chat_id: z.string(),
  participants: z.array(z.union([participantFields.extend({ username: z.string() }), participantFields])),
  total_participants: z.int(),
});

export const typingAnswer = z.object({ status: z.literal('sent'), timestamp: time });
