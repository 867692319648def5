import { newId } from '../../../base/ids.ts';
import type { UsageTable } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import type { ConversationParts } from '../parts.ts';

/** A usage row of a call that is not kept, with nothing measured yet. */
export function usageRow({ clock }: ConversationParts, viewer: Viewer, dialect: string, model: string): UsageTable {
  return {
    id: newId(),
    user_id: viewer.userId,
    api_key_id: viewer.via === 'api-key' ? viewer.credentialId : null,
    message_id: null,
    dialect,
    kind: 'chat',
    model,
    tokens_in: null,
    tokens_out: null,
    cost_micros: null,
    duration_ms: null,
    time_to_first_token_ms: null,
    outcome: 'DELIVERED',
    created_at: clock.now(),
    charged_tokens: null,
    charged_micros: null,
  };
}
