import { ParleyError } from '../../../base/errors.ts';
import type { Viewer } from '../../../core/accounts/index.ts';
import type { Conversation, Message, TurnEvent } from '../../../core/conversations/index.ts';
import { openEventStream, viewerFrom, type CredentialWatch, type DialectParts, type DialectScope, whileValid } from '../../shared/index.ts';
import { storedOutput, storedResponse } from './answer.ts';
import { deletedAnswer, itemList, responseAnswer, type ListedItem } from './answer-schema.ts';
import { openResponse, pathBehind, type Kept } from './chain.ts';
import { EventWriter, streamResponse } from './events.ts';
import { answerOf, itemIds, responseId } from './ids.ts';
import { inputItemsQuery, responseParameters, retrieveQuery } from './request-schema.ts';

/** Responses that are kept: read, followed, cancelled, forgotten. */
export function registerStored(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  const { conversations } = parts;
  scope.get(
    '/v1/responses/:response_id',
    {
      schema: {
        summary: 'A response, as it stands',
        description: 'With `stream=true` its events, from the beginning or behind `starting_after`, up to its end.',
        params: responseParameters, querystring: retrieveQuery, response: { 200: responseAnswer },
      },
    },
    async (request, reply) => {
      const viewer = viewerFrom(request);
      const kept = await openResponse(conversations, viewer, request.params.response_id);
      if (!request.query.stream) return reply.send(storedResponse(kept.message, kept.echo));
      const stream = openEventStream(reply);
      const writer = new EventWriter(
        { answerId: kept.message.id, createdAt: kept.message.createdAt, model: kept.message.model ?? '', echo: kept.echo },
        () => kept.message.endedAt ?? parts.clock.now(),
        request.query.starting_after,
      );
      await whileValid(credentials, viewer, () => stream.cut(writer.error(new ParleyError('unauthorized'))), async () => {
        try {
          await streamResponse(stream, writer, eventsOf(parts, viewer, kept, stream.signal), false);
        } catch (thrown) {
          if (!stream.begun) throw thrown;
          parts.log.error({ err: thrown, requestId: request.id }, 'a streamed response broke');
        }
      });
      return reply;
    },
  );
  scope.delete('/v1/responses/:response_id', { schema: { summary: 'Forgets a response', params: responseParameters, response: { 200: deletedAnswer } } }, async (request) => {
    const viewer = viewerFrom(request);
    const { message } = await openResponse(conversations, viewer, request.params.response_id);
    await conversations.forgetAnswer(viewer, message.id);
    return { id: responseId(message.id), object: 'response' as const, deleted: true as const };
  });
  scope.post(
    '/v1/responses/:response_id/cancel',
    { schema: { summary: 'Cancels a response that is made in the background', params: responseParameters, response: { 200: responseAnswer } } },
    async (request) => {
      const viewer = viewerFrom(request);
      const { message, echo } = await openResponse(conversations, viewer, request.params.response_id);
      if (!echo.background) throw new ParleyError('invalid_request', { message: 'Only responses made with "background": true can be cancelled. Close the connection to end reading another.', parameter: 'response_id' });
      return storedResponse(await conversations.cancel(viewer, message.id), echo);
    },
  );
  registerInputItems(scope, parts);
}

function registerInputItems(scope: DialectScope, parts: DialectParts): void {
  scope.get(
    '/v1/responses/:response_id/input_items',
    { schema: { summary: 'What a response was asked with', params: responseParameters, querystring: inputItemsQuery, response: { 200: itemList } } },
    async (request) => {
      const viewer = viewerFrom(request);
      const { limit, order, after } = request.query;
      const { message, echo } = await openResponse(parts.conversations, viewer, request.params.response_id);
      const previous = echo.previous_response_id === null ? null : answerOf(echo.previous_response_id);
      const path = await pathBehind(parts.conversations, viewer, message.id, previous);
      const items = path.slice(0, -1).flatMap(listedItems);
      if (previous === null) items.unshift(...listedPrompt(await parts.conversations.get(viewer, message.conversationId)));
      if (order === 'desc') items.reverse();
      const first = after === undefined ? 0 : items.findIndex(({ id }) => id === after) + 1;
      if (after !== undefined && first === 0) throw new ParleyError('invalid_request', { message: 'after names no item of this response.', parameter: 'after' });
      const data = items.slice(first, first + limit);
      return { object: 'list' as const, data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: first + limit < items.length };
    },
  );
}

/** System messages at the beginning of an input are the system prompt of the conversation. */
function listedPrompt({ id, systemPrompt }: Conversation): ListedItem[] {
  if (systemPrompt === null) return [];
  return [{ id: itemIds.message(id), type: 'message', status: 'completed', role: 'system', content: [{ type: 'input_text', text: systemPrompt }] }];
}

/** A stored message as items of an input. */
function listedItems(message: Message): ListedItem[] {
  const status = 'completed';
  switch (message.role) {
    case 'assistant':
      return storedOutput({ ...message, reasoning: null }, status) as ListedItem[];
    case 'tool':
      return [{ id: itemIds.output(message.id), type: 'function_call_output', status, call_id: message.toolCallId ?? '', output: message.content }];
    default:
      return [{ id: itemIds.message(message.id), type: 'message', status, role: message.role, content: contentOf(message) }];
  }
}

/** The text, and that there were pictures. The address of one that is kept here would need this server's name: it is null. */
function contentOf({ content, pictures }: Message): Extract<ListedItem, { type: 'message' }>['content'] {
  const images = pictures.map(({ url, detail }) => ({ type: 'input_image' as const, image_url: url, file_id: null, detail: detail ?? ('auto' as const) }));
  return content === '' && images.length > 0 ? images : [...images, { type: 'input_text' as const, text: content }];
}

/**
 * The events of a kept answer. A day after its end its log holds only the text: what else the response says is then told
 * from the message, in an order of its own.
 */
async function* eventsOf(parts: DialectParts, viewer: Viewer, { message }: Kept, signal: AbortSignal): AsyncGenerator<TurnEvent[]> {
  let first = true;
  let folded = false;
  for await (const batch of parts.conversations.attach(viewer, message.id, 0, signal, 'each')) {
    if (first) folded = message.endedAt !== null && batch[0]!.kind !== 'start' && Boolean(message.content || message.reasoning || message.toolCalls);
    const events = folded ? batch.flatMap((event) => (event.kind === 'end' ? [...lost(message), event] : [event])) : batch;
    yield first && folded ? [{ seq: 0, kind: 'start', model: message.model ?? '' }, ...events] : events;
    first = false;
  }
}

/** What the log no longer holds. */
function lost(message: Message): TurnEvent[] {
  const calls = (message.toolCalls ?? []).map((call, index): TurnEvent => ({ seq: 0, kind: 'tool', index, ...call }));
  const usage = {
    tokensIn: message.tokensIn ?? undefined, tokensOut: message.tokensOut ?? undefined, tokensReasoning: message.tokensReasoning ?? undefined, tokensCached: message.tokensCached ?? undefined,
  };
  return [...calls, { seq: 0, kind: 'usage', usage }];
}
