import type { Clock } from '../../base/clock.ts';
import type { Bus } from '../../base/events/index.ts';
import type { Storage } from '../../base/storage/index.ts';
import { mayAdminister, type Viewer } from '../accounts/index.ts';
import { SocketCounts } from './counts.ts';
import { InstanceSockets } from './instances.ts';
import type { OpenSockets, Presence } from './types.ts';

export interface PresenceParts {
  storage: Storage;
  bus: Bus;
  clock: Clock;
  instanceId: string;
  /** Whether other instances may have sockets, too: then they tell each other. */
  several: boolean;
}

/** Conversations looked up with one query. */
const idsAtOnce = 500;

/** Keeps count of the open sockets of chats. */
export function createPresence(parts: PresenceParts): Presence {
  return new SocketPresence(parts);
}

class SocketPresence implements Presence {
  readonly name = 'presence';
  private readonly storage: Storage;
  private readonly own = new SocketCounts();
  private readonly instances: InstanceSockets | null;

  constructor(parts: PresenceParts) {
    this.storage = parts.storage;
    this.instances = parts.several ? new InstanceSockets(this.own, parts) : null;
  }

  async start(): Promise<void> {
    await this.instances?.start();
  }

  async stop(): Promise<void> {
    this.instances?.stop();
  }

  opened(conversationId: string, userId: string): () => void {
    const add = (count: number): void => {
      this.own.set(conversationId, userId, this.own.get(conversationId, userId) + count);
      this.instances?.note(conversationId, userId);
    };
    let isOpen = true;
    add(1);
    return () => {
      if (isOpen) add(-1);
      isOpen = false;
    };
  }

  isWatched(conversationId: string): boolean {
    return this.all().some((counts) => counts.byConversation.has(conversationId));
  }

  async openSockets(viewer: Viewer): Promise<OpenSockets> {
    const sums = new Map<string, number>();
    let own = 0;
    for (const counts of this.all()) {
      for (const [conversationId, userId, sockets] of counts.rows()) {
        sums.set(conversationId, (sums.get(conversationId) ?? 0) + sockets);
        if (userId === viewer.userId) own += sockets;
      }
    }
    const shown = mayAdminister(viewer) ? null : await this.ownAmong(viewer, [...sums.keys()]);
    const sorted = [...sums].sort(([, one], [, other]) => other - one);
    return {
      total: sorted.reduce((total, [, sockets]) => total + sockets, 0),
      conversations: sorted.length,
      perConversation: sorted.filter(([id]) => !shown || shown.has(id)).map(([id, sockets]) => ({ id, sockets })),
      own,
    };
  }

  private all(): SocketCounts[] {
    return [this.own, ...(this.instances?.known() ?? [])];
  }

  /** Those of the conversations in which the viewer takes part. */
  private async ownAmong(viewer: Viewer, ids: readonly string[]): Promise<Set<string>> {
    const own = new Set<string>();
    for (let first = 0; first < ids.length; first += idsAtOnce) {
      const rows = await this.storage.read.selectFrom('participants').select('conversation_id')
        .where('user_id', '=', viewer.userId).where('conversation_id', 'in', ids.slice(first, first + idsAtOnce)).execute();
      for (const row of rows) own.add(row.conversation_id);
    }
    return own;
  }
}
