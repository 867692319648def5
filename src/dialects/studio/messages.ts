import { z } from 'zod';
import type { Viewer } from '../../core/accounts/index.ts';
import { isSaid, type Message } from '../../core/conversations/index.ts';
import { goneController, text, viewerFrom, whileValid, type CredentialWatch, type DialectParts, type DialectScope } from '../shared/index.ts';
import { ownConversation } from './access.ts';
import { ask, finished } from './asking.ts';
import { modelFields } from './naming.ts';
import { conversationPath, messageAnswer, page, sendMessage, sentAnswer } from './schemas.ts';
import { messageShape } from './shapes.ts';

const url = '/api/chat/conversations/:conversation_id/messages';

/** Messages read at a time. */
const atOnce = 1000;

/** Texts are printed in the header of a request, so a key is plain ASCII. */
const idempotencyHeader = z.object({ 'idempotency-key': text({ min: 1, max: 255 }).optional().describe('Addition: a second request with the same key sends nothing again') });

/** Messages: list, and send with the answer. */
export function registerMessages(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  const { models } = parts;
  scope.get(
    url,
    { schema: { summary: 'What was said in a conversation, the oldest first', params: conversationPath, querystring: page, response: { 200: z.array(messageAnswer) } } },
    async (request) => {
      const viewer = viewerFrom(request);
      const conversation = await ownConversation(parts, viewer, request.params.conversation_id);
      return (await messagesOf(parts, viewer, conversation.id, request.query)).map((message) => messageShape(models, message));
    },
  );
  scope.post(
    url,
    {
      schema: {
        summary: 'Sends a message; answers with the whole answer of the model',
        description: 'When the client goes away meanwhile, the answer is made all the same.',
        params: conversationPath,
        headers: idempotencyHeader,
        body: sendMessage,
        response: { 200: sentAnswer },
      },
    },
    async (request, reply) => {
      const viewer = viewerFrom(request);
      request.streams = true;
      const gone = goneController(reply);
      const question = { conversationId: request.params.conversation_id, ...request.body, idempotencyKey: request.headers['idempotency-key'] ?? null };
      const { sent, answer } = await whileValid(credentials, viewer, () => gone.abort(), async () => {
        const sent = await ask(parts, viewer, question);
        return { sent, answer: await finished(parts, viewer, sent.answer.id, gone.signal) };
      });
      const { provider, name } = modelFields(models, answer.model);
      return { ...messageShape(models, answer), model: name, provider, user_message: messageShape(models, sent.userMessage) };
    },
  );
}

/** The shown path, as far as the document shows it: a page may hold fewer rows than it has. */
async function messagesOf({ conversations }: DialectParts, viewer: Viewer, id: string, { limit, offset }: z.output<typeof page>): Promise<Message[]> {
  const pages: Message[][] = [];
  for (let at = 0; at < limit; at += atOnce) {
    const some = await conversations.messages(viewer, id, { limit: Math.min(atOnce, limit - at), offset: offset + at });
    pages.unshift(some);
    if (some.length < atOnce) break;
  }
  // What is sent between two pages moves the next one: nothing is listed twice.
  return [...new Map(pages.flat().map((message) => [message.id, message])).values()].filter(isSaid);
}
