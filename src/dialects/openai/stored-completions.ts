import { z } from 'zod';
import { ParleyError } from '../../base/errors.ts';
import { isId } from '../../base/ids.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Conversations, Message } from '../../core/conversations/index.ts';
import { text, viewerFrom, wholeNumber, type DialectParts, type DialectScope } from '../shared/index.ts';
import { completion, type Gathered } from './answers.ts';
import { invalid } from './errors.ts';
import { headOf, messageIdOf } from './keeping.ts';
import { completionAnswer, storedMessages } from './schemas.ts';

const parameters = z.object({ completion_id: text({ min: 1, max: 100 }) });
const messagesQuery = z.object({ limit: wholeNumber({ min: 1, max: 100, fallback: 20 }), order: z.enum(['asc', 'desc']).default('asc'), after: text({ max: 100 }).optional() });
const deleted = z.object({ id: z.string(), object: z.literal('chat.completion.deleted'), deleted: z.literal(true) });

/** Messages in front of an answer that are listed, the newest. */
const mostListed = 1000;

/** Completions that were kept (`"store": true`): read, their messages listed, forgotten. */
export function registerStoredCompletions(scope: DialectScope, { conversations }: DialectParts): void {
  const address = '/v1/chat/completions/:completion_id';
  scope.get(address, { schema: { summary: 'A completion that was kept', params: parameters, response: { 200: completionAnswer } } }, async (request) => {
    const message = await openCompletion(conversations, viewerFrom(request), request.params.completion_id);
    const { metadata } = message.metadata ?? {};
    const form = { oldFunctions: false, logprobs: false, usage: false };
    return { ...completion(headOf(message.id, message.createdAt, message.model ?? ''), [asGathered(message)], form), metadata: isPairs(metadata) ? metadata : {} };
  });
  scope.delete(address, { schema: { summary: 'Forgets a completion', params: parameters, response: { 200: deleted } } }, async (request) => {
    const viewer = viewerFrom(request);
    const message = await openCompletion(conversations, viewer, request.params.completion_id);
    await conversations.forgetAnswer(viewer, message.id);
    return { id: request.params.completion_id, object: 'chat.completion.deleted' as const, deleted: true as const };
  });
  scope.get(
    `${address}/messages`,
    { schema: { summary: 'What a kept completion was asked with', params: parameters, querystring: messagesQuery, response: { 200: storedMessages } } },
    async (request) => {
      const viewer = viewerFrom(request);
      const { limit, order, after } = request.query;
      const message = await openCompletion(conversations, viewer, request.params.completion_id);
      const listed = await messagesBefore(conversations, viewer, message);
      if (order === 'desc') listed.reverse();
      const first = after === undefined ? 0 : listed.findIndex(({ id }) => id === after) + 1;
      if (after !== undefined && first === 0) throw invalid('after', 'after names no message of this completion.');
      const data = listed.slice(first, first + limit);
      return { object: 'list' as const, data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: first + limit < listed.length };
    },
  );
}

/** The answer that a completion's id names. @throws {ParleyError} `not_found`, also for one that was forgotten or is no whole answer */
async function openCompletion(conversations: Conversations, viewer: Viewer, id: string): Promise<Message> {
  const messageId = messageIdOf(id);
  const absent = new ParleyError('not_found', { message: `There is no completion ${JSON.stringify(id)}.`, parameter: 'completion_id' });
  if (messageId === null || !isId(messageId)) throw absent;
  const message = await conversations.message(viewer, messageId);
  if (message.role !== 'assistant' || message.status !== 'DELIVERED' || message.metadata?.['forgotten'] === true) throw absent;
  return message;
}

function asGathered(message: Message): Gathered {
  return {
    model: message.model,
    text: message.content,
    refusal: '',
    reasoning: message.reasoning ?? '',
    tools: message.toolCalls ?? [],
    logprobs: [],
    usage: {
      tokensIn: message.tokensIn ?? undefined, tokensOut: message.tokensOut ?? undefined, tokensReasoning: message.tokensReasoning ?? undefined, tokensCached: message.tokensCached ?? undefined,
    },
    reason: message.finishReason ?? 'stop',
  };
}

function isPairs(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null && Object.values(value).every((entry) => typeof entry === 'string');
}

/** The system prompt and what was said before the answer, oldest first. */
async function messagesBefore(conversations: Conversations, viewer: Viewer, answer: Message): Promise<z.output<typeof storedMessages>['data']> {
  const { systemPrompt } = await conversations.get(viewer, answer.conversationId);
  const path = await conversations.pathTo(viewer, answer.id, { limit: mostListed, offset: 1 });
  const system = systemPrompt === null ? [] : [{ id: answer.conversationId, role: 'system' as const, content: systemPrompt }];
  return [...system, ...path.map((message) => ({
    id: message.id,
    role: message.role,
    content: message.content,
    ...(message.toolCalls?.length ? { tool_calls: message.toolCalls.map((call) => ({ id: call.id, type: 'function' as const, function: { name: call.name, arguments: call.arguments } })) } : {}),
    ...(message.toolCallId === null ? {} : { tool_call_id: message.toolCallId }),
  }))];
}
