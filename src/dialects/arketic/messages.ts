import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Message } from '../../core/conversations/index.ts';
import type { ContentPart } from '../../core/models/index.ts';
import { text, takeFrom, viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { unknownMessage } from './errors.ts';
import {
  branchOptions, chatPath, editMessage, messageAnswer, messagePath, picturePath, sendMessage, sendQuery, sentAnswer, wholeChatAnswer, wholeMessageAnswer,
} from './schemas.ts';
import { messageShape, wholeChatShape, wholeMessageShape } from './shapes.ts';

const messageUrl = '/api/v1/chat/chats/:chat_id/messages/:message_id';

/** Texts are printed in the header of a request, so a key is plain ASCII. */
const idempotencyHeader = z.object({ 'idempotency-key': text({ min: 1, max: 255 }).optional() });

/** Messages: send, show, cancel, and the branches that edit, regenerate and continue make. */
export function registerMessages(scope: DialectScope, parts: DialectParts): void {
  const { conversations } = parts;
  scope.post(
    '/api/v1/chat/chats/:chat_id/messages',
    {
      bodyLimit: messageBodyBytes,
      schema: {
        summary: 'Sends a message; a model answers on the socket and in the history',
        description: 'With `include=answer` the answer in the making comes along.',
        params: chatPath,
        querystring: sendQuery,
        headers: idempotencyHeader,
        body: sendMessage,
        response: { 200: z.union([sentAnswer, messageAnswer]) },
      },
    },
    async (request) => {
      const body = request.body;
      if (body.message_type !== 'USER') throw new ParleyError('forbidden', { message: 'Only messages of type USER may be sent.' });
      const viewer = viewerFrom(request);
      await takeMessage(parts, viewer);
      const sent = await conversations.send(viewer, request.params.chat_id, {
        content: body.content,
        ...(body.images?.length ? { parts: partsFrom(body.content, body.images) } : {}),
        replyToId: body.reply_to_id ?? null,
        metadata: body.message_metadata ?? null,
        answer: body.answer,
        dialect: 'arketic',
        idempotencyKey: request.headers['idempotency-key'] ?? null,
      });
      if (request.query.include !== 'answer') return messageShape(sent.userMessage);
      return { message: wholeMessageShape(sent.userMessage), answer: sent.answer && wholeMessageShape(sent.answer) };
    },
  );
  scope.get(messageUrl, { schema: { summary: 'One message', params: messagePath, response: { 200: wholeMessageAnswer } } }, async (request) =>
    wholeMessageShape(await messageOf(parts, viewerFrom(request), request.params)),
  );
  scope.get(
    `${messageUrl}/images/:position`,
    { schema: { summary: 'One picture of a message', description: 'Addition. The bytes, in the type that they are.', params: picturePath } },
    async (request, reply) => {
      const viewer = viewerFrom(request);
      const message = await messageOf(parts, viewer, request.params);
      const { type, base64 } = await conversations.picture(viewer, message.id, request.params.position);
      // A message never changes its pictures. They are people's own, so a browser keeps them for one sign-in alone, and nothing in them may run.
      return reply
        .type(type)
        .headers({ 'cache-control': 'private, max-age=31536000, immutable', vary: 'Origin, Cookie, Authorization', 'content-security-policy': "sandbox; default-src 'none'" })
        .send(Buffer.from(base64, 'base64'));
    },
  );
  registerBranches(scope, parts);
}

/** Bytes of a message: its text and, in base64, two pictures of the largest size. */
const messageBodyBytes = 16 * 1_048_576;

/** Pictures before the text: models read them best so. */
function partsFrom(content: string, images: readonly string[]): ContentPart[] {
  const pictures = images.map((url): ContentPart => ({ type: 'image', url }));
  return content === '' ? pictures : [...pictures, { type: 'text', text: content }];
}

/** What acts on one message. */
function registerBranches(scope: DialectScope, parts: DialectParts): void {
  const { conversations } = parts;
  scope.post(
    `${messageUrl}/cancel`,
    { schema: { summary: 'Stops an answer, for everyone who sees it', params: messagePath, response: { 200: wholeMessageAnswer } } },
    async (request) => {
      const { viewer, message } = await named(parts, request);
      return wholeMessageShape(await conversations.cancel(viewer, message.id));
    },
  );
  scope.post(
    `${messageUrl}/continue`,
    { schema: { summary: 'Goes on with an answer that ended early', params: messagePath, body: branchOptions, response: { 200: wholeMessageAnswer } } },
    async (request) => {
      const { viewer, message } = await named(parts, request);
      await takeMessage(parts, viewer);
      return wholeMessageShape(await conversations.continue(viewer, message.id, { model: request.body?.ai_model, dialect: 'arketic' }));
    },
  );
  scope.post(
    `${messageUrl}/regenerate`,
    { schema: { summary: 'Answers the same message once more', params: messagePath, body: branchOptions, response: { 200: wholeMessageAnswer } } },
    async (request) => {
      const { viewer, message } = await named(parts, request);
      await takeMessage(parts, viewer);
      return wholeMessageShape(await conversations.regenerate(viewer, message.id, { model: request.body?.ai_model, dialect: 'arketic' }));
    },
  );
  scope.post(
    `${messageUrl}/edit`,
    { schema: { summary: "Replaces one's own message and answers it anew", params: messagePath, body: editMessage, response: { 200: sentAnswer } } },
    async (request) => {
      const { viewer, message } = await named(parts, request);
      await takeMessage(parts, viewer);
      const sent = await conversations.edit(viewer, message.id, request.body.content, { model: request.body.ai_model, dialect: 'arketic' });
      return { message: wholeMessageShape(sent.userMessage), answer: sent.answer && wholeMessageShape(sent.answer) };
    },
  );
  scope.post(
    `${messageUrl}/select`,
    { schema: { summary: 'Shows the branch that goes through this message', params: messagePath, response: { 200: wholeChatAnswer } } },
    async (request) => {
      const { viewer, message } = await named(parts, request);
      return wholeChatShape(await conversations.selectBranch(viewer, message.id));
    },
  );
}

/** Every question to a model counts, sent, edited or asked again. @throws {ParleyError} `rate_limited` */
export async function takeMessage(parts: DialectParts, viewer: Viewer): Promise<void> {
  await takeFrom(parts, { name: 'messages', count: parts.settings.limits.messagesPerHour, windowMs: 3_600_000 }, viewer.userId);
}

async function named(parts: DialectParts, request: FastifyRequest): Promise<{ viewer: Viewer; message: Message }> {
  const viewer = viewerFrom(request);
  return { viewer, message: await messageOf(parts, viewer, request.params as z.output<typeof messagePath>) };
}

/**
 * The message that a path names: it must be of the chat in the path.
 * @throws {ParleyError} `not_found`, `forbidden`
 */
export async function messageOf(parts: DialectParts, viewer: Viewer, path: z.output<typeof messagePath>): Promise<Message> {
  await parts.conversations.get(viewer, path.chat_id);
  const message = await parts.conversations.message(viewer, path.message_id);
  if (message.conversationId !== path.chat_id) throw unknownMessage();
  return message;
}
