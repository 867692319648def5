import { z } from 'zod';
import { modelName, systemPrompt } from './schemas.ts';
import { text } from '../shared/index.ts';

export const aiMessage = z.object({
  message: text({ max: 50_000 }).describe('1 to 50000 characters; blank is refused with 400'),
  stream: z.boolean().default(false).describe('Whether the answer comes in pieces on the sockets of the chat'),
  save_to_history: z.boolean().default(true),
});

export const trial = z.object({
  message: text({ max: 50_000 }).describe('1 to 50000 characters; blank is refused with 400'),
  model: modelName.default('gpt-3.5-turbo'),
  temperature: z.number().min(0).max(1).default(0.7),
  system_prompt: systemPrompt.nullish(),
});

const time = z.string();
const count = z.int().min(0);
const breakerState = z.enum(['CLOSED', 'OPEN', 'HALF_OPEN']);
const serviceHealth = z.enum(['healthy', 'unhealthy', 'unknown']);
const serviceInfo = z.object({ circuit_breaker_state: breakerState, service_health: serviceHealth });

const answered = z.object({
  success: z.literal(true),
  message: z.string(),
  streaming: z.literal(false),
  service_used: z.literal('langchain'),
  data: z.object({
    user_message: z.object({ id: z.string(), content: z.string(), timestamp: time }),
    ai_response: z.object({
      id: z.string(),
      content: z.string(),
      model_used: z.string(),
      processing_time_ms: count,
      tokens_used: z.object({ input: count.nullable(), output: count.nullable(), total: count.nullable() }).describe('null where the model service gives no figure'),
      finish_reason: z.string(),
      timestamp: time,
      via_langchain: z.literal(true),
    }),
    chat_info: z.object({ chat_id: z.string(), total_messages: count, total_tokens_used: count }),
    service_info: serviceInfo,
  }),
  timestamp: time,
});

const streaming = z.object({
  success: z.literal(true),
  message: z.string(),
  streaming: z.literal(true),
  service_used: z.literal('langchain'),
  data: z.object({
    user_message_id: z.string(),
    ai_message_id: z.string(),
    chat_id: z.string(),
    model_used: z.string(),
    stream_via: z.literal('websocket'),
    service_info: z.object({ circuit_breaker_state: breakerState, langchain_available: z.boolean() }),
  }),
  timestamp: time,
});

export const aiMessageAnswer = z.union([answered, streaming]);
export type AiMessageAnswer = z.output<typeof aiMessageAnswer>;

export const unavailableAnswer = z.object({
  success: z.literal(false),
  error: z.string(),
  error_code: z.string(),
  service_info: serviceInfo,
  timestamp: time,
});

const trialEcho = z.object({ message: z.string(), model: z.string(), temperature: z.number(), system_prompt: z.string().nullable() });
const trialResponse = z.object({ content: z.string(), model_used: z.string(), processing_time_ms: count, tokens_used: count.nullable(), finish_reason: z.string() });
const userInfo = z.object({ user_id: z.string(), username: z.string() });

export const langchainTestAnswer = z.object({
  success: z.literal(true),
  message: z.string(),
  data: z.object({
    request: trialEcho,
    response: trialResponse.extend({ fallback_used: z.boolean() }),
    service_info: z.object({ integration_type: z.string(), circuit_breaker_state: breakerState, service_url: z.string() }),
    user_info: userInfo,
  }),
  timestamp: time,
});

export const openaiTestAnswer = z.object({
  success: z.literal(true),
  message: z.string(),
  data: z.object({
    request: trialEcho,
    response: trialResponse,
    service_info: z.object({ integration_type: z.string(), service_url: z.string() }),
    user_info: userInfo,
  }),
  timestamp: time,
});

const health = z.object({
  status: serviceHealth,
  response_time_ms: z.number().min(0).optional(),
  circuit_breaker_state: breakerState,
  failure_count: count,
  service_url: z.string(),
  error: z.string().optional(),
});

const breaker = z.object({
  state: breakerState,
  failure_count: count,
  failure_threshold: count,
  timeout_seconds: z.number(),
  last_failure_time: time.nullable(),
});

export const langchainHealthAnswer = z.object({
  success: z.literal(true),
  message: z.string(),
  data: z.object({
    service_health: health,
    circuit_breaker: breaker,
    integration_status: z.enum(['active', 'inactive']),
    fallback_available: z.boolean(),
  }),
  timestamp: time,
});

const connections = z.object({
  total_connections: count,
  active_chats: count,
  connections_per_chat: z.record(z.string(), count).describe('Open sockets by chat id: of the chats one takes part in; all of them for administrators'),
});
export type ConnectionsAnswer = z.output<typeof connections>;

export const statsAnswer = z.object({ websocket_connections: connections, system_status: z.enum(['operational', 'degraded']), timestamp: time });

const flag = z.enum(['enabled', 'disabled']);

export const servicesAnswer = z.object({
  success: z.literal(true),
  message: z.string(),
  data: z.object({
    langchain_service: z.object({ health, circuit_breaker: breaker, base_url: z.string() }),
    websocket_manager: z.object({ status: z.enum(['operational', 'degraded']), connections }),
    fallback_services: z.object({ direct_openai: z.object({ status: z.enum(['available', 'unavailable', 'disabled']), description: z.string() }) }),
    integration_features: z.object({ circuit_breaker: flag, automatic_fallback: flag, streaming_support: flag, health_monitoring: flag }),
  }),
  timestamp: time,
});

export const connectionAnswer = z.object({
  success: z.boolean(),
  message: z.string(),
  data: z.object({
    user_id: z.string(),
    username: z.string(),
    database: z.enum(['ok', 'unavailable']),
    langchain_service: serviceHealth,
    open_websockets: count,
    latency_ms: z.number().min(0),
  }),
  timestamp: time,
});
