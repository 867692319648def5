import type { ConversationsTable } from '../../../base/storage/index.ts';
import { chatProfiles } from './profiles.ts';
import type { Outgoing } from '../types.ts';

/** The message with what its profile tells the model, in front of what the conversation says by itself. */
export function withProfile(outgoing: Outgoing, conversation: Pick<ConversationsTable, 'system_prompt' | 'persona' | 'temperature'>): Outgoing {
  if (outgoing.profile === undefined) return outgoing;
  const profile = chatProfiles[outgoing.profile];
  const own = [conversation.persona ? `You are ${conversation.persona}.` : '', conversation.system_prompt ?? ''].filter(Boolean);
  const temperature = outgoing.sampling?.temperature ?? conversation.temperature ?? profile.temperature;
  return {
    ...outgoing,
    instructions: outgoing.instructions ?? [profile.instructions, ...own].join('\n\n'),
    sampling: { ...outgoing.sampling, temperature },
    metadata: { ...outgoing.metadata, profile: outgoing.profile },
    answerMetadata: { ...outgoing.answerMetadata, profile: outgoing.profile },
  };
}
