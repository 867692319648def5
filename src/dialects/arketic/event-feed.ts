import type { FastifyRequest } from 'fastify';
import { ParleyError } from '../../base/errors.ts';
import type { Message, TurnEvent } from '../../core/conversations/index.ts';
import { credentialsOf, openEventStream, requireStillValid, viewerFrom, type CredentialWatch, type DialectParts, type DialectScope, type EventStream } from '../shared/index.ts';
import { messageOf } from './messages.ts';
import { messagePath, streamQuery } from './schemas.ts';
import { wholeMessageShape } from './shapes.ts';

/**
 * Milliseconds a browser's EventSource is told to wait when the answer has ended: it would come back at once and be
 * told the end for ever.
 */
const doneRetryMs = 86_400_000;

/** An answer as server-sent events: everything behind a seq, then it closes. */
export function registerEventFeed(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  scope.get(
    '/api/v1/chat/chats/:chat_id/messages/:message_id/stream',
    {
      exposeHeadRoute: false,
      schema: {
        summary: 'Everything of an answer behind a seq, as server-sent events',
        description: 'The id of each event is its seq; `Last-Event-ID` counts like `after`.',
        params: messagePath,
        querystring: streamQuery,
      },
    },
    async (request, reply) => {
      const viewer = viewerFrom(request);
      const message = await messageOf(parts, viewer, request.params);
      if (message.role !== 'assistant') throw new ParleyError('conflict', { message: 'Only answers can be followed.' });
      const stream = openEventStream(reply);
      const stopWatching = credentials.watch(viewer, () => stream.cut());
      try {
        await requireStillValid(parts.accounts, credentialsOf(request), viewer);
        stream.begin();
        const isWhole = await feed(stream, parts.conversations.attach(viewer, message.id, startOf(request), stream.signal), () => parts.conversations.message(viewer, message.id));
        if (isWhole) parts.conversations.received(message.conversationId, [viewer.userId]);
      } catch (thrown) {
        if (!stream.begun) throw thrown;
        // Taken out of the chat meanwhile: who comes back is refused.
        if (thrown instanceof ParleyError && thrown.code === 'forbidden') {
          stream.cut();
          return reply;
        }
        // The headers are gone: a broken stream without its end tells the client to come back.
        parts.log.error({ err: thrown, requestId: request.id }, 'an event stream broke');
        reply.raw.destroy();
      } finally {
        stopWatching();
      }
      return reply;
    },
  );
}

/** Whether the end was told. */
async function feed(stream: EventStream, turn: AsyncIterable<TurnEvent[]>, ended: () => Promise<Message>): Promise<boolean> {
  for await (const batch of turn) {
    const last = batch.at(-1)!;
    const message = last.kind === 'end' ? await ended() : null;
    const piece = batch.map((event) => eventText(event, message)).join('');
    if (message) {
      stream.end(piece);
      return true;
    }
    await stream.write(piece);
  }
  stream.end();
  return false;
}

/** The seq to begin behind: of the address or, when a browser comes back by itself, of the last event it saw. */
function startOf(request: FastifyRequest): number {
  const { after } = request.query as { after: number };
  const header = request.headers['last-event-id'];
  return typeof header === 'string' && /^\d{1,9}$/.test(header) ? Math.max(after, Number(header)) : after;
}

function eventText(event: TurnEvent, message: Message | null): string {
  const retry = event.kind === 'end' ? `retry: ${doneRetryMs}\n` : '';
  return `event: ${event.kind}\nid: ${event.seq}\n${retry}data: ${JSON.stringify(eventData(event, message))}\n\n`;
}

function errorShape({ code, message, retryAfterMs }: { code: string; message: string; retryAfterMs?: number }): Record<string, unknown> {
  return { code, message, ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }) };
}

function eventData(event: TurnEvent, message: Message | null): Record<string, unknown> {
  switch (event.kind) {
    case 'start':
      return { model: event.model };
    case 'text':
    case 'reasoning':
      return { text: event.text, offset: event.offset };
    case 'tool':
      return { index: event.index, id: event.id ?? null, name: event.name ?? null, arguments: event.arguments };
    case 'logprobs':
      return { tokens: event.tokens };
    case 'usage': {
      const { tokensIn, tokensOut, tokensReasoning, tokensCached } = event.usage;
      return { input: tokensIn ?? null, output: tokensOut ?? null, reasoning: tokensReasoning ?? null, cached: tokensCached ?? null };
    }
    case 'end':
      return { status: event.status, finish_reason: event.finishReason, error: event.error && errorShape(event.error), message: message && wholeMessageShape(message) };
  }
}
