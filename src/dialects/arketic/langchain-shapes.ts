import { isoTime } from '../../base/clock.ts';
import type { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { LangchainAnswer, LangchainAsked, LangchainGlance, LangchainHealth, LangchainTrial } from '../../core/langchain/index.ts';
import type { BreakerState } from '../../core/models/index.ts';
import type { OpenSockets } from '../../core/presence/index.ts';
import type { AiMessageAnswer, ConnectionsAnswer } from './langchain-schemas.ts';
import { plainModelName } from './shapes.ts';

/** What sending a message by way of LangChain came to, in the document's form. */
export function aiMessageShape(asked: LangchainAsked, chatId: string, now: number): AiMessageAnswer {
  const { glance } = asked;
  if (asked.kind === 'streaming') {
    return {
      success: true,
      message: 'AI response generation started via LangChain',
      streaming: true,
      service_used: 'langchain',
      data: {
        user_message_id: asked.userMessageId,
        ai_message_id: asked.answerId,
        chat_id: chatId,
        model_used: plainModelName(asked.model)!,
        stream_via: 'websocket',
        service_info: { circuit_breaker_state: glance.breaker.state, langchain_available: glance.status === 'healthy' },
      },
      timestamp: isoTime(now),
    };
  }
  const { question, answer, totalMessages, totalTokens } = asked;
  const { tokensIn, tokensOut } = answer;
  return {
    success: true,
    message: 'AI response generated successfully via LangChain service',
    streaming: false,
    service_used: 'langchain',
    data: {
      user_message: { id: question.id, content: question.content, timestamp: isoTime(question.at) },
      ai_response: {
        id: answer.id,
        content: answer.content,
        model_used: plainModelName(answer.model)!,
        processing_time_ms: answer.durationMs,
        tokens_used: { input: tokensIn, output: tokensOut, total: sum(answer) },
        finish_reason: answer.finishReason,
        timestamp: isoTime(answer.at),
        via_langchain: true,
      },
      chat_info: { chat_id: chatId, total_messages: totalMessages, total_tokens_used: totalTokens },
      service_info: serviceInfo(glance),
    },
    timestamp: isoTime(now),
  };
}

/** Prompt and answer; null where a figure is not known. */
function sum({ tokensIn, tokensOut }: LangchainAnswer): number | null {
  return tokensIn === null || tokensOut === null ? null : tokensIn + tokensOut;
}

function serviceInfo({ breaker, status }: LangchainGlance) {
  return { circuit_breaker_state: breaker.state, service_health: status };
}

/** The form of its own that the document has for a service that is out. */
export function unavailableShape(error: ParleyError, glance: LangchainGlance, now: number) {
  const said = 'LangChain service temporarily unavailable';
  return {
    success: false as const,
    error: error.message.startsWith(said) ? error.message : `${said}. ${error.message}`,
    error_code: 'langchain_service_unavailable',
    service_info: serviceInfo(glance),
    timestamp: isoTime(now),
  };
}

export function trialShape(trial: LangchainTrial, answer: LangchainAnswer, { userId, username }: Viewer) {
  return {
    request: { message: trial.message, model: trial.model, temperature: trial.temperature, system_prompt: trial.systemPrompt },
    response: {
      content: answer.content, model_used: plainModelName(answer.model)!, processing_time_ms: answer.durationMs, tokens_used: sum(answer), finish_reason: answer.finishReason,
    },
    user_info: { user_id: userId, username },
  };
}

export function breakerShape(breaker: BreakerState) {
  return {
    state: breaker.state,
    failure_count: breaker.failures,
    failure_threshold: breaker.threshold,
    timeout_seconds: breaker.openMs / 1000,
    last_failure_time: breaker.lastFailureAt === null ? null : isoTime(breaker.lastFailureAt),
  };
}

export function healthShape({ status, responseTimeMs, error, url, breaker }: LangchainHealth) {
  return {
    status,
    ...(responseTimeMs === null ? {} : { response_time_ms: responseTimeMs }),
    circuit_breaker_state: breaker.state,
    failure_count: breaker.failures,
    service_url: url,
    ...(error === null ? {} : { error }),
  };
}

export function connectionsShape({ total, conversations, perConversation }: OpenSockets): ConnectionsAnswer {
  return {
    total_connections: total,
    active_chats: conversations,
    connections_per_chat: Object.fromEntries(perConversation.map(({ id, sockets }) => [id, sockets])),
  };
}
