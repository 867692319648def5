import type { FastifyReply, FastifyRequest } from 'fastify';
import { ParleyError } from '../../base/errors.ts';
import type { Accounts, Viewer } from '../../core/accounts/index.ts';
import type { Message } from '../../core/conversations/index.ts';
import { credentialsOf, failureOf, openEventStream, queryTokenOf, requireStillValid, showable, viewerFrom, type CredentialWatch, type DialectParts, type DialectScope, type EventStream } from '../shared/index.ts';
import { ask } from './asking.ts';
import { streamQuery } from './schemas.ts';
import { Words } from './words.ts';

/** The reply as server-sent events, word by word. */
export function registerStream(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  scope.get(
    '/api/chat/stream',
    {
      exposeHeadRoute: false,
      schema: {
        summary: 'Sends a message and streams the reply, word by word',
        description:
          'Server-sent events: `message` for each word (joined by one space they are the reply), then `done` or `error`. With `Last-Event-ID`, as an EventSource sends it when it comes back, nothing is sent again: the reply goes on where it was, and 204 says that there is no more.',
        querystring: streamQuery,
      },
    },
    async (request, reply) => {
      const viewer = viewerFrom(request);
      refuseForeignPages(parts.accounts, viewer, request);
      const lastId = request.headers['last-event-id'];
      const place = typeof lastId === 'string' && lastId !== '' ? await placeOf(parts, viewer, lastId) : { answerId: await sent(parts, viewer, request.query), position: 0 };
      if (place === 'told') return reply.code(204).send();
      await follow(parts, credentials, viewer, place, request, reply);
      return reply;
    },
  );
}

/**
 * This request sends something although it is a GET, which pages of other origins can make a browser do. With a cookie, which
 * the browser adds by itself, the browser has to say that a program of one of our pages asks, and no picture or link in what somebody has written.
 * @throws {ParleyError} `origin_refused`
 */
function refuseForeignPages(accounts: Accounts, viewer: Viewer, { headers }: FastifyRequest): void {
  if (viewer.via !== 'cookie') return;
  const { 'sec-fetch-site': site, 'sec-fetch-dest': destination = 'empty' } = headers;
  if (destination !== 'empty') throw new ParleyError('origin_refused');
  if (site === 'same-origin') return;
  if (headers.origin === undefined || !accounts.originAllowed(headers)) throw new ParleyError('origin_refused');
}

async function sent(parts: DialectParts, viewer: Viewer, query: { message: string; session_id?: string | undefined; idempotency_key?: string | undefined }): Promise<string> {
  const answer = await ask(parts, viewer, { message: query.message, sessionId: query.session_id, idempotencyKey: query.idempotency_key });
  return answer.id;
}

/** Where a reader is in a reply. */
interface Place {
  answerId: string;
  /** As `Words` counts. */
  position: number;
}

/** `<id of the reply>.<position>`, or `.end` when everything was told. */
const idForm = /^([0-9a-f-]{36})\.(?:(\d{1,9})|end)$/;

function idOf(answerId: string, position: number | 'end'): string {
  return `${answerId}.${position}`;
}

/**
 * What a `Last-Event-ID` stands for.
 * @throws {ParleyError} `not_found` for whatever is no reply that this viewer may read
 */
async function placeOf(parts: DialectParts, viewer: Viewer, lastId: string): Promise<Place | 'told'> {
  const [, answerId, position] = idForm.exec(lastId) ?? [];
  const message = answerId === undefined ? null : await readable(parts, viewer, answerId);
  if (message?.role !== 'assistant') throw new ParleyError('not_found', { message: 'This reply cannot be gone on with.' });
  const told = position === undefined || (message.status === 'DELIVERED' && Number(position) > message.content.length);
  return told ? 'told' : { answerId: message.id, position: Number(position) };
}

/** Null for what there is not and what is somebody else's, so that ids give nothing away. */
async function readable({ conversations }: DialectParts, viewer: Viewer, answerId: string): Promise<Message | null> {
  try {
    return await conversations.message(viewer, answerId);
  } catch (thrown) {
    if (thrown instanceof ParleyError && (thrown.code === 'not_found' || thrown.code === 'forbidden')) return null;
    throw thrown;
  }
}

async function follow(parts: DialectParts, credentials: CredentialWatch, viewer: Viewer, place: Place, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const stream = openEventStream(reply);
  const stopWatching = credentials.watch(viewer, () => stream.cut(errorEvent(new ParleyError('unauthorized'), null)));
  try {
    await requireStillValid(parts.accounts, credentialsOf(request, queryTokenOf(request)), viewer);
    stream.begin();
    // From here on the client that comes back names this reply, and the message is not sent again.
    await stream.write(`id: ${idOf(place.answerId, place.position)}\n\n`);
    await tell(parts, stream, viewer, place);
  } catch (thrown) {
    if (!stream.begun) throw thrown;
    const error = showable(thrown);
    if (error.status >= 500) parts.log.error({ err: error.cause ?? error, requestId: request.id }, 'a streamed reply broke');
    stream.end(errorEvent(error, null));
  } finally {
    stopWatching();
  }
}

async function tell(parts: DialectParts, stream: EventStream, viewer: Viewer, { answerId, position }: Place): Promise<void> {
  const words = new Words(position);
  const written = (pieces: ReturnType<Words['take']>): string => pieces.map(({ piece, position: behind }) => wordEvent(piece, idOf(answerId, behind))).join('');
  for await (const batch of parts.conversations.attach(viewer, answerId, 0, stream.signal)) {
    let text = '';
    for (const event of batch) {
      if (event.kind === 'text') text += written(words.take(event.text, event.offset));
      if (event.kind !== 'end') continue;
      const failure = failureOf(event);
      const end = idOf(answerId, 'end');
      return stream.end(text + written(words.rest()) + (failure ? errorEvent(failure, end) : doneEvent(end)));
    }
    if (text !== '') await stream.write(text);
  }
  // The client has gone, or the conversation.
  stream.end();
}

function wordEvent(piece: string, id: string): string {
  const lines = piece.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `event: message\nid: ${id}\n${lines.join('')}\n`;
}

function doneEvent(id: string): string {
  return `event: done\nid: ${id}\ndata: complete\n\n`;
}

/** @param id null when the reply may be gone on with */
function errorEvent(error: ParleyError, id: string | null): string {
  const place = id === null ? '' : `id: ${id}\n`;
  return `event: error\n${place}data: ${JSON.stringify({ error: error.message, error_code: error.code })}\n\n`;
}
