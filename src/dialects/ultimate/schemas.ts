import { z } from 'zod';
import { chatProfiles, type ChatProfileName } from '../../core/conversations/index.ts';
import { filledText, text, wholeNumber } from '../shared/index.ts';

const profileNames = Object.keys(chatProfiles) as [ChatProfileName, ...ChatProfileName[]];
const id = text({ min: 1, max: 255 });
const label = text({ min: 1, max: 255 });
/** A chat profile, not a model. */
export const profile = z.enum(profileNames);
const backendModel = text({ min: 1, max: 300 }).optional().describe('Addition: the model behind the profile, as provider/model; default that of the conversation, else of the server');
export const content = text({ min: 1, max: 50_000 });

/** Most conversations of one page; more are not refused, but not listed either. */
export const mostListed = 100;

export const conversationPath = z.object({ conversation_id: id });

export const startConversation = z.object({
  user_id: label.describe('A label to find conversations by; whose they are says the credential'),
  model_type: profile.default('general'),
  conversation_title: filledText(255).optional(),
  voice_enabled: z.boolean().default(false),
  backend_model: backendModel,
});

export const listQuery = z.object({
  user_id: label.optional(),
  limit: wholeNumber({ min: 1, max: 1_000_000, fallback: 20 }).describe(`At most ${mostListed} are listed`),
  page: wholeNumber({ min: 1, max: 1_000_000, fallback: 1 }),
});

export const chatRequest = z.object({
  input: content,
  conversation_id: id.optional(),
  model: profile.optional(),
  options: z
    .object({
      context_aware: z.boolean().default(true),
      return_confidence: z.boolean().default(true),
      max_tokens: z.int().min(1).max(1_000_000).optional(),
      cache_context: z.boolean().optional().describe('Taken and not needed: engines that keep evaluated prefixes do so by themselves'),
      max_context_length: z.int().min(1).max(10_000_000).optional().describe('Most tokens of earlier messages'),
    })
    .optional(),
  backend_model: backendModel,
});

export type ChatRequest = z.output<typeof chatRequest>;

const success = z.literal(true);

export const startedAnswer = z.object({ success, conversation_id: z.string(), model_type: profile, created_at: z.string(), welcome_message: z.string() });

export const chatAnswer = z.object({
  success,
  conversation_id: z.string(),
  response: z.string(),
  confidence: z.number().nullable().describe('Geometric mean of the probabilities of the tokens; null when the model gives none'),
  response_time: z.number().describe('Seconds from asking the model to its last token'),
  message_count: z.int(),
  context_used: z.boolean().describe('Whether an earlier message was in the prompt'),
  strategy: profile,
  model_used: profile,
  tokens_used: z.int().nullable().describe('Of the prompt and of the answer, as the model counts them; null when its service does not say'),
  message_id: z.string().describe('Addition'),
  backend_model: z.string().nullable().describe('Addition: the model that spoke'),
});

export type ChatAnswer = z.output<typeof chatAnswer>;

const message = z.object({ role: z.enum(['user', 'assistant', 'system']), content: z.string(), timestamp: z.string(), id: z.string() });

export const historyAnswer = z.object({
  success,
  conversation: z.object({
    id: z.string(),
    user_id: z.string(),
    model_type: profile,
    created_at: z.string(),
    last_activity: z.string(),
    messages: z.array(message),
    metadata: z.object({ message_count: z.int(), total_tokens: z.int(), avg_response_time: z.number().nullable() }),
  }),
});

export type HistoryAnswer = z.output<typeof historyAnswer>;

export const listAnswer = z.object({
  success,
  conversations: z.array(
    z.object({ id: z.string(), created_at: z.string(), last_activity: z.string(), message_count: z.int(), model_type: profile, last_message_preview: z.string() }),
  ),
  total_count: z.int(),
  page: z.int(),
  limit: z.int(),
});

export const statisticsAnswer = z.object({
  success,
  statistics: z.object({
    total_conversations: z.int(),
    total_messages: z.int(),
    active_conversations: z.int(),
    model_usage: z.record(z.string(), z.int()),
    average_response_time: z.number().nullable(),
    chat_history_size: z.int(),
    context_memory_enabled: z.boolean(),
  }),
});

/** What clients may send over sockets. */
export const eventSchemas = {
  start_conversation: z.object({ model_type: profile.default('general'), user_id: label, backend_model: backendModel }),
  chat_message: z.object({ message: content, conversation_id: id.optional(), model: profile.optional(), backend_model: backendModel }),
  get_conversation_history: z.object({ conversation_id: id, limit: z.int().min(1).max(1000).default(50) }),
} as const;
