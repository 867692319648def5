/** Sockets by conversation and user. */
export class SocketCounts {
  readonly byConversation = new Map<string, Map<string, number>>();

  get(conversationId: string, userId: string): number {
    return this.byConversation.get(conversationId)?.get(userId) ?? 0;
  }

  set(conversationId: string, userId: string, count: number): void {
    const users = this.byConversation.get(conversationId) ?? new Map<string, number>();
    if (count > 0) users.set(userId, count);
    else users.delete(userId);
    if (users.size > 0) this.byConversation.set(conversationId, users);
    else this.byConversation.delete(conversationId);
  }

  /** Rows, as they travel between instances. */
  *rows(): Generator<CountRow> {
    for (const [conversationId, users] of this.byConversation) for (const [userId, count] of users) yield [conversationId, userId, count];
  }

  total(): number {
    let total = 0;
    for (const [, , count] of this.rows()) total += count;
    return total;
  }
}

/** Conversation, user, sockets. */
export type CountRow = [conversationId: string, userId: string, sockets: number];
