import { isoTime } from '../../base/clock.ts';
import { contextNoteOf, profileOf, usualProfile, type Conversation, type Message } from '../../core/conversations/index.ts';
import type { ChatAnswer, HistoryAnswer } from './schemas.ts';

/** Longest preview, characters. */
const previewLength = 80;

/** Results of tools are no role of the document. */
const roles = { user: 'user', assistant: 'assistant', system: 'system', tool: 'system' } as const;

/** The label of a conversation; those of other dialects have none and go by the name of whose they are. */
export function labelOf({ label }: Pick<Conversation, 'label'>, username: string): string {
  return label ?? username;
}

export function messageShape(message: Message): HistoryAnswer['conversation']['messages'][number] {
  return { role: roles[message.role], content: message.content, timestamp: isoTime(message.role === 'assistant' ? (message.endedAt ?? message.createdAt) : message.createdAt), id: message.id };
}

/** An answer that a model has given. @param count messages of the conversation, it included */
export function answerShape(answer: Message, count: number, returnConfidence: boolean): ChatAnswer {
  const profile = profileOf(answer.metadata) ?? usualProfile;
  const { tokensIn, tokensOut } = answer;
  return {
    success: true,
    conversation_id: answer.conversationId,
    response: answer.content,
    confidence: returnConfidence ? answer.confidence : null,
    response_time: seconds(answer.durationMs) ?? 0,
    message_count: count,
    context_used: (contextNoteOf(answer.metadata)?.history ?? 0) > 0,
    strategy: profile,
    model_used: profile,
    tokens_used: tokensIn === null || tokensOut === null ? null : tokensIn + tokensOut,
    message_id: answer.id,
    backend_model: answer.model,
  };
}

export function previewOf(message: Message | undefined): string {
  const characters = [...(message?.content ?? '')];
  return characters.length <= previewLength ? characters.join('') : `${characters.slice(0, previewLength).join('')}...`;
}

/** Milliseconds as seconds. */
export function seconds(milliseconds: number): number;
export function seconds(milliseconds: number | null): number | null;
export function seconds(milliseconds: number | null): number | null {
  return milliseconds === null ? null : Math.round(milliseconds) / 1000;
}
