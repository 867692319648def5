import { isoTime } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { chatProfiles, isWhole, usualProfile, type ChatProfileName, type Conversation, type Message } from '../../core/conversations/index.ts';
import { failureOf, takeFrom } from '../shared/index.ts';
import type { UltimateParts } from './parts.ts';
import type { ChatAnswer, HistoryAnswer } from './schemas.ts';
import { answerShape, labelOf, messageShape, seconds } from './shapes.ts';

/*
 * What REST and sockets do alike.
 */

/** Most messages of one history, and those read at a time. */
const mostMessages = 10_000;
const atOnce = 1000;

/** A conversation to begin. */
export interface Beginning {
  label: string | null;
  profile: ChatProfileName;
  title?: string | undefined;
  backendModel?: string | undefined;
}

export async function beginConversation({ conversations }: UltimateParts, viewer: Viewer, { label, profile, title, backendModel }: Beginning) {
  const made = await conversations.create(viewer, { label, profile, model: backendModel ?? null, origin: 'ultimate', ...(title === undefined ? {} : { title }) });
  return { success: true as const, conversation_id: made.id, model_type: profile, created_at: isoTime(made.createdAt), welcome_message: chatProfiles[profile].welcome };
}

/**
 * The viewer's own conversation: those of others, also shared ones, are not there, and look like those that never were.
 * @throws {ParleyError} `not_found`
 */
export async function ownConversation({ conversations }: Pick<UltimateParts, 'conversations'>, viewer: Viewer, id: string): Promise<Conversation> {
  const missing = (): ParleyError => new ParleyError('not_found', { message: 'There is no such conversation.' });
  const conversation = await conversations.get(viewer, id).catch((thrown: unknown) => {
    throw thrown instanceof ParleyError && (thrown.code === 'forbidden' || thrown.code === 'not_found') ? missing() : thrown;
  });
  if (conversation.ownerId !== viewer.userId) throw missing();
  return conversation;
}

/** Whether there is such a conversation of the viewer's. */
export async function isOwn(parts: Pick<UltimateParts, 'conversations'>, viewer: Viewer, id: string): Promise<boolean> {
  try {
    await ownConversation(parts, viewer, id);
    return true;
  } catch (thrown) {
    if (thrown instanceof ParleyError && thrown.code === 'not_found') return false;
    throw thrown;
  }
}

/** A message to send. */
export interface Question {
  text: string;
  /** Without it a new conversation is made. */
  conversationId?: string | undefined;
  profile?: ChatProfileName | undefined;
  backendModel?: string | undefined;
  maxTokens?: number | undefined;
  /** Tokens of earlier messages; undefined for as many as fit. */
  historyTokens?: number | undefined;
  wantsConfidence: boolean;
  /** Called when the conversation is known, before the message is stored. */
  entering?(conversationId: string): Promise<void>;
}

/**
 * Stores a message and begins its answer. @throws {ParleyError} `not_found`, `rate_limited`, `no_model` and what else
 * `send` throws; where there is no model, no conversation is made
 */
export async function ask(parts: UltimateParts, viewer: Viewer, question: Question): Promise<{ question: Message; answer: Message }> {
  const { conversations, settings } = parts;
  const known = question.conversationId === undefined ? null : await ownConversation(parts, viewer, question.conversationId);
  if (!known) await requireModel(parts, viewer, question.backendModel);
  await takeFrom(parts, { name: 'messages', count: settings.limits.messagesPerHour, windowMs: 3_600_000 }, viewer.userId);
  const profile = question.profile ?? known?.profile ?? usualProfile;
  const conversationId = known?.id ?? (await beginConversation(parts, viewer, { label: null, profile, backendModel: question.backendModel })).conversation_id;
  await question.entering?.(conversationId);
  const sent = await conversations.send(viewer, conversationId, {
    content: question.text,
    profile,
    ...(question.backendModel === undefined ? {} : { model: question.backendModel }),
    ...(question.maxTokens === undefined ? {} : { sampling: { maxTokens: question.maxTokens } }),
    ...(question.historyTokens === undefined ? {} : { historyTokens: question.historyTokens }),
    confidence: question.wantsConfidence,
    notesContext: true,
    dialect: 'ultimate',
    refuseBuiltin: true,
  });
  if (!sent.answer) throw new ParleyError('conflict', { message: 'No model answers in this conversation: name one with "backend_model".' });
  return { question: sent.userMessage, answer: sent.answer };
}

async function requireModel({ models }: UltimateParts, viewer: Viewer, name: string | undefined): Promise<void> {
  if ((await models.resolve(name ?? null, viewer)).isBuiltin) throw new ParleyError('no_model');
}

/**
 * The answer, as soon as it has ended. When `signal` is aborted only the waiting stops: the answer goes on.
 * @throws {ParleyError} why there is none
 */
export async function answered(parts: UltimateParts, viewer: Viewer, answerId: string, wantsConfidence: boolean, signal: AbortSignal): Promise<ChatAnswer> {
  const { conversations } = parts;
  for await (const batch of conversations.attach(viewer, answerId, 0, signal)) {
    if (batch.at(-1)!.kind !== 'end') continue;
    const answer = await conversations.message(viewer, answerId);
    if (answer.status !== 'DELIVERED') throw failureOf(answer) ?? new ParleyError('internal');
    return chatAnswerOf(parts, viewer, answer, wantsConfidence);
  }
  throw new ParleyError(signal.aborted ? 'cancelled' : 'not_found');
}

export async function chatAnswerOf({ conversations }: Pick<UltimateParts, 'conversations'>, viewer: Viewer, answer: Message, wantsConfidence: boolean): Promise<ChatAnswer> {
  const counts = await conversations.wholeMessages(viewer, [answer.conversationId]);
  return answerShape(answer, counts.get(answer.conversationId) ?? 0, wantsConfidence);
}

/** @param limit newest messages that are shown */
export async function historyOf(parts: UltimateParts, viewer: Viewer, id: string, limit = mostMessages): Promise<HistoryAnswer> {
  const { conversations } = parts;
  const conversation = await ownConversation(parts, viewer, id);
  const pages: Message[][] = [];
  for (let at = 0, shown = 0; shown < limit && at < mostMessages; at += atOnce) {
    const some = await conversations.messages(viewer, id, { limit: atOnce, offset: at });
    const whole = some.filter(isWhole);
    pages.unshift(whole);
    shown += whole.length;
    if (some.length < atOnce) break;
  }
  // What is sent between two pages moves the next one: nothing is listed twice.
  const messages = [...new Map(pages.flat().map((message) => [message.id, message])).values()].slice(-limit);
  const [counts, tokens, figures] = await Promise.all([conversations.wholeMessages(viewer, [id]), conversations.tokensUsed(viewer, id), conversations.replyFigures(viewer, id)]);
  return {
    success: true,
    conversation: {
      id: conversation.id,
      user_id: labelOf(conversation, viewer.username),
      model_type: conversation.profile ?? usualProfile,
      created_at: isoTime(conversation.createdAt),
      last_activity: isoTime(Math.max(conversation.createdAt, conversation.lastActivityAt)),
      messages: messages.map(messageShape),
      metadata: { message_count: counts.get(id) ?? 0, total_tokens: tokens, avg_response_time: seconds(figures.averageDurationMs) },
    },
  };
}
