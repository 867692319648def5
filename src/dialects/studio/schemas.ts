import { z } from 'zod';
import { filledText, text, wholeNumber } from '../shared/index.ts';

const id = text({ min: 1, max: 255 });
const provider = text({ min: 1, max: 100 });
const modelName = text({ min: 1, max: 100 });
const content = text({ min: 1, max: 50_000 });

export const conversationPath = z.object({ conversation_id: id });

export const createConversation = z.object({
  title: filledText(255).optional().describe('Without it the first message gives the title'),
  system_prompt: text({ max: 50_000 }).optional(),
  model_provider: provider.optional().describe('openai, anthropic, google, cohere, or another provider of this server'),
  model_name: modelName.optional().describe('Without both, the default model of the server answers'),
  settings: z
    .object({ temperature: z.number().min(0).max(2).optional(), max_tokens: z.int().min(1).max(1_000_000).optional() })
    .optional()
    .describe('Addition: what every answer of the conversation is asked with'),
});

export const sendMessage = z.object({ content, model: modelName.optional(), provider: provider.optional() });

/** Most rows of a list. */
export const mostRows = 10_000;

export const page = z.object({
  limit: wholeNumber({ min: 1, max: mostRows, fallback: mostRows }).describe('Addition: most rows; the newest ones'),
  offset: wholeNumber({ min: 0, max: 1_000_000_000, fallback: 0 }).describe('Addition: rows to skip from the newest'),
});

const time = z.string();

export const conversationAnswer = z.object({
  id: z.string(),
  user_id: z.string(),
  title: z.string(),
  model_provider: z.string().nullable(),
  model_name: z.string().nullable(),
  system_prompt: z.string().nullable(),
  settings: z.record(z.string(), z.unknown()),
  is_active: z.boolean(),
  created_at: time,
  updated_at: time,
});

export type ConversationAnswer = z.output<typeof conversationAnswer>;

export const messageAnswer = z.object({
  id: z.string(),
  session_id: z.string(),
  role: z.enum(['user', 'assistant', 'system']),
  content: z.string(),
  metadata: z.record(z.string(), z.unknown()),
  tokens_used: z.int().nullable().describe('Tokens of the prompt and of the answer; 0 for what no model made; null when the service does not say'),
  cost: z.number().nullable().describe('US dollars; null when the price is not known'),
  created_at: time,
});

export type MessageAnswer = z.output<typeof messageAnswer>;

export const sentAnswer = messageAnswer.extend({
  model: z.string().nullable().describe('The model that answered'),
  provider: z.string().nullable().describe('The provider that answered'),
  user_message: messageAnswer,
});

/** Seq of an event of an answer. */
const seq = z.int().min(0).max(1_000_000_000);

/** What clients may send over Socket.IO. */
export const eventSchemas = {
  join_conversation: z.object({ conversation_id: id, stream: z.boolean().default(false) }),
  leave_conversation: z.object({ conversation_id: id }),
  send_message: z.object({ conversation_id: id, content, model: modelName.optional(), provider: provider.optional() }),
  typing_indicator: z.object({ conversation_id: id, is_typing: z.boolean() }),
  attach_answer: z.object({ message_id: id, after: seq.default(0) }),
  cancel_answer: z.object({ message_id: id }),
} as const;
