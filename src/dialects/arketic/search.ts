import { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import type { AnswerFigures, Message } from '../../core/conversations/index.ts';
import { filledText, goneSignal, text, viewerFrom, wholeNumber, type DialectParts, type DialectScope } from '../shared/index.ts';
import { chatPath } from './schemas.ts';
import { plainModelName } from './shapes.ts';
import { moment } from './usage-schemas.ts';

const searchQuery = z.object({
  q: filledText(200).describe('Words; all of them must occur in one title or message. Case does not matter, and nothing is a wildcard'),
  limit: wholeNumber({ min: 1, max: 100, fallback: 20 }),
  offset: wholeNumber({ min: 0, max: 10_000, fallback: 0 }).describe('Hits to leave out; counted from the cursor where there is one'),
  cursor: text({ min: 1, max: 80 }).optional().describe('Goes on behind an earlier page'),
  chat_id: text({ min: 1, max: 200 }).optional(),
  role: z.enum(['USER', 'AI', 'SYSTEM']).optional().describe('Only messages of this type, and no titles'),
  from: moment.optional().describe('Included'),
  to: moment.optional().describe('Not included'),
  state: z.enum(['open', 'archived']).default('open'),
});

const searchAnswer = z.object({
  hits: z.array(
    z.object({
      chat_id: z.string(),
      title: z.string(),
      message_id: z.string().nullable().describe('null: the title was found'),
      message_type: z.enum(['USER', 'AI', 'SYSTEM']).nullable(),
      created_at: z.string().describe('Of the message; for a title, the last activity of the chat'),
      snippet: z.string(),
      matches: z.array(z.object({ start: z.int(), end: z.int() })).describe('UTF-16 units of the snippet; `end` is not included'),
    }),
  ),
  complete: z.boolean().describe('false: the time for one search was over before the page was full; ask again with `cursor`'),
  cursor: z.string().nullable().describe('Where the next page begins; null when nothing is left'),
});

const figures = {
  answers: z.int(),
  tokens: z.object({ input: z.int().nullable(), output: z.int().nullable() }),
  cost_usd: z.number().nullable(),
  answers_without_tokens: z.int(),
  answers_without_price: z.int(),
  average_time_to_first_token_ms: z.number().nullable(),
  average_duration_ms: z.number().nullable(),
};

const chatUsageAnswer = z.object({
  chat_id: z.string(),
  messages: z.object({ total: z.int(), user: z.int(), ai: z.int(), system: z.int(), imported: z.int() }),
  answers_by_status: z.record(z.string(), z.int()),
  ...figures,
  by_model: z.array(z.object({ model: z.string().nullable(), ...figures })),
});

const rolesOf: Record<'USER' | 'AI' | 'SYSTEM', Message['role'][]> = { USER: ['user'], AI: ['assistant'], SYSTEM: ['system', 'tool'] };
const typeOf = { user: 'USER', assistant: 'AI', system: 'SYSTEM', tool: 'SYSTEM' } as const;

/** Finding what was said, and what a chat comes to. Both are added to the document. */
export function registerSearch(scope: DialectScope, { conversations }: DialectParts): void {
  scope.get(
    '/api/v1/chat/search',
    { schema: { summary: 'Addition: finds words in the titles and messages of own chats, the newest first', querystring: searchQuery, response: { 200: searchAnswer } } },
    async (request, reply) => {
      const { q, chat_id: chatId, role, from, to, ...rest } = request.query;
      const query = {
        text: q, ...rest,
        ...(chatId === undefined ? {} : { conversationId: chatId }), ...(role === undefined ? {} : { roles: rolesOf[role] }),
        ...(from === undefined ? {} : { from: Date.parse(from) }), ...(to === undefined ? {} : { to: Date.parse(to) }),
      };
      const { hits, complete, cursor } = await conversations.search(viewerFrom(request), query, goneSignal(reply));
      const shown = hits.map((hit) => ({
        chat_id: hit.conversationId, title: hit.title, message_id: hit.messageId, message_type: hit.role && typeOf[hit.role], created_at: isoTime(hit.at), snippet: hit.snippet, matches: hit.matches,
      }));
      return { hits: shown, complete, cursor };
    },
  );
  scope.get(
    '/api/v1/chat/chats/:chat_id/usage',
    { schema: { summary: 'Addition: what the messages of a chat come to, on all branches', params: chatPath, response: { 200: chatUsageAnswer } } },
    async (request) => {
      const usage = await conversations.usage(viewerFrom(request), request.params.chat_id);
      const { user, assistant, system, tool } = usage.byRole;
      return {
        chat_id: request.params.chat_id,
        messages: { total: usage.messages, user, ai: assistant, system: system + tool, imported: usage.imported },
        answers_by_status: usage.byStatus,
        ...figuresShape(usage.total),
        by_model: usage.byModel.map((line) => ({ model: plainModelName(line.model), ...figuresShape(line) })),
      };
    },
  );
}

function figuresShape(line: AnswerFigures) {
  return {
    answers: line.answers,
    tokens: { input: line.tokensIn, output: line.tokensOut },
    cost_usd: line.costMicros === null ? null : line.costMicros / 1e6,
    answers_without_tokens: line.withoutTokens,
    answers_without_price: line.withoutPrice,
    average_time_to_first_token_ms: line.averageTimeToFirstTokenMs,
    average_duration_ms: line.averageDurationMs,
  };
}
