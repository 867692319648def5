import { z } from 'zod';
import type { Viewer } from '../../core/accounts/index.ts';
import type { Conversation } from '../../core/conversations/index.ts';
import { viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';
import { modelOf } from './naming.ts';
import { conversationAnswer, createConversation, page } from './schemas.ts';
import { conversationShape } from './shapes.ts';

/** Conversations read at a time. */
const atOnce = 1000;

/** Conversations: list and make. */
export function registerConversations(scope: DialectScope, parts: DialectParts): void {
  const { conversations, models } = parts;
  scope.get(
    '/api/chat/conversations',
    { schema: { summary: "The user's own conversations, the most recently active first", querystring: page, response: { 200: z.array(conversationAnswer) } } },
    async (request) => (await listOwn(parts, viewerFrom(request), request.query)).map((conversation) => conversationShape(models, conversation)),
  );
  scope.post(
    '/api/chat/conversations',
    { schema: { summary: 'Makes a conversation', body: createConversation, response: { 201: conversationAnswer } } },
    async (request, reply) => {
      const { title, system_prompt: systemPrompt, model_provider: provider, model_name: name, settings } = request.body;
      const made = await conversations.create(viewerFrom(request), {
        ...(title === undefined ? {} : { title }),
        systemPrompt: systemPrompt ?? null,
        model: modelOf(models, { provider, name }, 'model_provider'),
        temperature: settings?.temperature ?? null,
        maxTokens: settings?.max_tokens ?? null,
        origin: 'studio',
      });
      return reply.code(201).send(conversationShape(models, made));
    },
  );
}

async function listOwn({ conversations }: DialectParts, viewer: Viewer, { limit, offset }: z.output<typeof page>): Promise<Conversation[]> {
  const found = new Map<string, Conversation>();
  for (let at = 0; at < limit; at += atOnce) {
    const some = await conversations.list(viewer, { limit: Math.min(atOnce, limit - at), offset: offset + at }, { owned: true });
    for (const conversation of some) found.set(conversation.id, conversation);
    if (some.length < atOnce) break;
  }
  return [...found.values()];
}
