import { isoTime } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { isWhole, usualProfile, type Conversation } from '../../core/conversations/index.ts';
import { goneController, viewerFrom, whileValid, type CredentialWatch, type DialectScope } from '../shared/index.ts';
import { answered, ask, beginConversation, historyOf } from './chat.ts';
import type { UltimateParts } from './parts.ts';
import { chatAnswer, chatRequest, conversationPath, historyAnswer, listAnswer, listQuery, mostListed, startConversation, startedAnswer, statisticsAnswer } from './schemas.ts';
import { previewOf, seconds } from './shapes.ts';

/** Newest messages looked through for one that can be shown. */
const lookedThrough = 10;

/** Conversations over REST: begin, list, history, figures. */
export function registerConversations(scope: DialectScope, parts: UltimateParts): void {
  const { conversations } = parts;
  scope.post('/api/ai/conversations', { schema: { summary: 'Starts a conversation with a chat profile', body: startConversation, response: { 200: startedAnswer } } }, async (request) => {
    const { user_id: label, model_type: profile, conversation_title: title, voice_enabled: voice, backend_model: backendModel } = request.body;
    if (voice) throw new ParleyError('not_implemented', { message: 'This server does not understand speech yet.' });
    return beginConversation(parts, viewerFrom(request), { label, profile, title, backendModel });
  });
  scope.get(
    '/api/ai/conversations',
    { schema: { summary: "The caller's own conversations, the most recently active first", querystring: listQuery, response: { 200: listAnswer } } },
    async (request) => {
      const viewer = viewerFrom(request);
      const { user_id: label, page } = request.query;
      const limit = Math.min(request.query.limit, mostListed);
      const filter = { owned: true, ...(label === undefined ? {} : { label: { text: label, orNone: label === viewer.username } }) };
      const [listed, total] = await Promise.all([conversations.list(viewer, { limit, offset: (page - 1) * limit }, filter), conversations.count(viewer, filter)]);
      const counts = await conversations.wholeMessages(viewer, listed.map(({ id }) => id));
      const rows = await Promise.all(listed.map((conversation) => listedShape(parts, viewer, conversation, counts.get(conversation.id) ?? 0)));
      return { success: true as const, conversations: rows, total_count: total, page, limit };
    },
  );
  scope.get(
    '/api/ai/conversations/:conversation_id',
    { schema: { summary: 'What was said in a conversation, the oldest first', params: conversationPath, response: { 200: historyAnswer } } },
    async (request) => historyOf(parts, viewerFrom(request), request.params.conversation_id),
  );
  scope.get('/api/ai/chat/statistics', { schema: { summary: "Figures over the caller's own conversations", response: { 200: statisticsAnswer } } }, async (request) => {
    const figures = await conversations.statistics(viewerFrom(request));
    return {
      success: true as const,
      statistics: {
        total_conversations: figures.conversations,
        total_messages: figures.messages,
        active_conversations: figures.active,
        model_usage: figures.byProfile,
        average_response_time: seconds(figures.averageDurationMs),
        chat_history_size: figures.keptRows,
        context_memory_enabled: true,
      },
    };
  });
}

async function listedShape({ conversations }: UltimateParts, viewer: Viewer, conversation: Conversation, count: number) {
  const newest = count === 0 ? [] : await conversations.messages(viewer, conversation.id, { limit: lookedThrough, offset: 0, peek: true });
  return {
    id: conversation.id,
    created_at: isoTime(conversation.createdAt),
    last_activity: isoTime(Math.max(conversation.createdAt, conversation.lastActivityAt)),
    message_count: count,
    model_type: conversation.profile ?? usualProfile,
    last_message_preview: previewOf(newest.findLast(isWhole)),
  };
}

/** Sending over REST. */
export function registerChat(scope: DialectScope, parts: UltimateParts, credentials: CredentialWatch): void {
  scope.post(
    '/api/ai/chat',
    {
      schema: {
        summary: 'Sends a message; answers with the whole answer of the model',
        description: 'Without conversation_id a new conversation is made. When the client goes away meanwhile, the answer is made all the same.',
        body: chatRequest,
        response: { 200: chatAnswer },
      },
    },
    async (request, reply) => {
      const viewer = viewerFrom(request);
      request.streams = true;
      const gone = goneController(reply);
      const { input, conversation_id: conversationId, model, options, backend_model: backendModel } = request.body;
      const wantsConfidence = options?.return_confidence ?? true;
      const historyTokens = options?.context_aware === false ? 0 : options?.max_context_length;
      const work = async () => {
        const sent = await ask(parts, viewer, { text: input, conversationId, profile: model, backendModel, maxTokens: options?.max_tokens, historyTokens, wantsConfidence });
        return answered(parts, viewer, sent.answer.id, wantsConfidence, gone.signal);
      };
      return whileValid(credentials, viewer, () => gone.abort(), work);
    },
  );
}
