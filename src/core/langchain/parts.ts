import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/observability/index.ts';
import type { Conversations } from '../conversations/index.ts';
import type { LangchainProvider, Models } from '../models/index.ts';
import type { LangchainFeatures } from './types.ts';

/** What the integration needs of the rest of the house. */
export interface LangchainParts {
  models: Models;
  conversations: Conversations;
  /** Null when the integration is switched off. */
  provider: LangchainProvider | null;
  features: LangchainFeatures;
  /** Whether a socket of a chat is open, on any instance. */
  isWatched(conversationId: string): boolean;
  clock: Clock;
  log: Log;
}
