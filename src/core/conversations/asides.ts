import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../accounts/index.ts';
import type { Target } from '../models/index.ts';
import { openConversation } from './access.ts';
import { gatherContext, type ContextSource } from './context.ts';
import type { ConversationParts } from './parts.ts';
import { questionRow, tailOf } from './sending.ts';
import { tokensUsed } from './figures/tokens-used.ts';
import type { Conversations } from './contract.ts';
import type { Aside, UnstoredReply } from './types.ts';
import { withDefaults } from './turns/request.ts';

/** Answers that are not kept, and what the kept ones have used. */
export function createAsides(parts: ConversationParts, sources: readonly ContextSource[], unstored: Pick<Conversations, 'answerUnstored'>): Pick<Conversations, 'answerAside' | 'tellAside' | 'tokensUsed'> {
  return {
    answerAside: (...given) => answerAside(parts, sources, unstored.answerUnstored, ...given),
    tellAside: (conversationId, event) => parts.bus.publish(`conversation:${conversationId}`, { type: 'aside', event }),
    tokensUsed: (...given) => tokensUsed(parts, ...given),
  };
}

/**
 * Asks about a conversation without a trace in it: the model reads what it would read for a message that is kept, and nothing
 * is stored but what it used. @throws {ParleyError} as `Conversations.send`
 */
async function answerAside(
  parts: ConversationParts, sources: readonly ContextSource[], answerUnstored: Conversations['answerUnstored'],
  viewer: Viewer, conversationId: string, aside: Aside, signal: AbortSignal,
): Promise<UnstoredReply> {
  if (aside.content.trim() === '') throw new ParleyError('empty_message');
  const conversation = await openConversation(parts.storage.read, viewer, conversationId, 'write');
  const question = questionRow(tailOf(conversation), viewer.userId, { content: aside.content, dialect: aside.dialect }, await parts.storage.now());
  const sampling = withDefaults({}, conversation);
  const target: Target = aside.target;
  const { messages } = await gatherContext(
    {
      conversationId, question, systemPrompt: conversation.system_prompt, persona: conversation.persona, target, maxTokens: sampling.maxTokens,
      prefill: '', behind: conversation.head_id,
    },
    sources, parts.models,
  );
  return answerUnstored(viewer, { ...sampling, model: target.id, target, messages, dialect: aside.dialect, whole: aside.whole }, signal);
}
