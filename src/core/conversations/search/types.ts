import type { MessagesTable } from '../../../base/storage/index.ts';
import type { Match } from './matching.ts';

/** What is looked for in the conversations that a viewer takes part in. */
export interface SearchQuery {
  /** Words, all of which must occur in one title or message; upper and lower case are the same. */
  text: string;
  /** Most hits, 1 to 100. */
  limit: number;
  /** Hits to leave out, behind the cursor where there is one. */
  offset?: number;
  /** Goes on where an earlier search ended. */
  cursor?: string;
  conversationId?: string;
  /** Only messages of these roles, and no titles. */
  roles?: MessagesTable['role'][];
  /** Milliseconds since the epoch: not older than `from`, older than `to`. */
  from?: number;
  to?: number;
  /** Default `open`. What is in the trash is never found. */
  state?: 'open' | 'archived';
}

export interface SearchHit {
  conversationId: string;
  title: string;
  /** Null for a title. */
  messageId: string | null;
  role: MessagesTable['role'] | null;
  /** When the message was made; for a title, the last activity of the conversation. */
  at: number;
  /** The surroundings of the first hit, in one line; white space is a space. */
  snippet: string;
  /** Where the words stand in the snippet. */
  matches: Match[];
}

export interface SearchResult {
  /** The newest first. */
  hits: SearchHit[];
  /** False when the time for one search was over before the page was full or everything was looked at. */
  complete: boolean;
  /** For going on; null when nothing is left to look at. */
  cursor: string | null;
}
