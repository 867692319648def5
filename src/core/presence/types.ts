import type { Part } from '../../base/lifecycle.ts';
import type { Viewer } from '../accounts/index.ts';

/** Open sockets of chats, as one viewer may see them. */
export interface OpenSockets {
  /** Over all conversations. */
  total: number;
  /** Conversations with at least one. */
  conversations: number;
  /** By conversation, the busiest first: all of them for administrators, for others those in which they take part. */
  perConversation: { id: string; sockets: number }[];
  /** Those of the viewer. */
  own: number;
}

/** Which sockets of chats are open now, over all instances. Dialects tell of each as it opens and closes. */
export interface Presence extends Part {
  /** A socket of this process is open, until the returned function is called. */
  opened(conversationId: string, userId: string): () => void;
  /** Whether any socket of the conversation is open, on any instance. */
  isWatched(conversationId: string): boolean;
  openSockets(viewer: Viewer): Promise<OpenSockets>;
}
