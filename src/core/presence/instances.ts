import type { Clock } from '../../base/clock.ts';
import { isGap, type Bus, type BusMessage } from '../../base/events/index.ts';
import { SocketCounts, type CountRow } from './counts.ts';

/** Hints of the bus about open sockets. */
const topic = 'sockets';
/** Milliseconds between two signs of life of an instance. */
const aliveMs = 5000;
/** Milliseconds without one after which its sockets count as closed. */
const silentMs = 15_000;
/** Milliseconds for which changes are gathered. */
const gatherMs = 50;
/** Rows in one message: with two ids each they stay below what the bus takes. */
const rowsAtOnce = 400;

/** What another instance has told. */
interface Other {
  counts: SocketCounts;
  heardAt: number;
}

/**
 * Tells other instances which sockets are open here, and knows theirs. Hints may be lost: each sign of life carries the
 * sum, and who finds another one asks for everything.
 */
export class InstanceSockets {
  private readonly own: SocketCounts;
  private readonly bus: Bus;
  private readonly clock: Clock;
  private readonly instanceId: string;
  private readonly others = new Map<string, Other>();
  private readonly changed = new Map<string, CountRow>();
  private gathering: NodeJS.Timeout | undefined;
  private timer: NodeJS.Timeout | undefined;
  private unsubscribe: () => void = () => undefined;

  constructor(own: SocketCounts, parts: { bus: Bus; clock: Clock; instanceId: string }) {
    this.own = own;
    this.bus = parts.bus;
    this.clock = parts.clock;
    this.instanceId = parts.instanceId;
  }

  async start(): Promise<void> {
    this.unsubscribe = this.bus.subscribe(topic, (message) => this.receive(message));
    await this.bus.listening(topic);
    this.publish({ type: 'ask' });
    this.timer = setInterval(() => this.publish({ type: 'alive', total: this.own.total() }), aliveMs).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    clearTimeout(this.gathering);
    this.publish({ type: 'gone' });
    this.unsubscribe();
  }

  /** The number of sockets of one user in one conversation is another one now. */
  note(conversationId: string, userId: string): void {
    this.changed.set(`${conversationId} ${userId}`, [conversationId, userId, this.own.get(conversationId, userId)]);
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      const rows = [...this.changed.values()];
      this.changed.clear();
      this.tell('some', rows);
    }, gatherMs).unref();
  }

  /** What the other instances have told, but for those that have fallen silent. */
  *known(): Generator<SocketCounts> {
    const now = this.clock.monotonic();
    for (const [id, other] of this.others) {
      if (now - other.heardAt > silentMs) this.others.delete(id);
      else yield other.counts;
    }
  }

  private publish(message: BusMessage): void {
    this.bus.publish(topic, { ...message, from: this.instanceId });
  }

  private tell(type: 'some' | 'all', rows: CountRow[]): void {
    for (let first = 0; first === 0 || first < rows.length; first += rowsAtOnce) {
      this.publish({ type: first === 0 ? type : 'some', rows: rows.slice(first, first + rowsAtOnce) });
    }
  }

  private receive(message: BusMessage): void {
    if (isGap(message)) {
      if (message.reason === 'reconnected') this.publish({ type: 'ask' });
      return;
    }
    const from = String(message['from']);
    if (from === this.instanceId) return;
    if (message.type === 'gone') return void this.others.delete(from);
    const isNew = !this.others.has(from);
    const other = this.others.get(from) ?? { counts: new SocketCounts(), heardAt: 0 };
    other.heardAt = this.clock.monotonic();
    this.others.set(from, other);
    switch (message.type) {
      case 'ask':
        this.tell('all', [...this.own.rows()]);
        if (isNew) this.publish({ type: 'ask' });
        break;
      case 'alive':
        if (message['total'] !== other.counts.total()) this.publish({ type: 'ask' });
        break;
      case 'all':
        other.counts.byConversation.clear();
        take(other.counts, message);
        break;
      case 'some':
        take(other.counts, message);
    }
  }
}

function take(counts: SocketCounts, message: BusMessage): void {
  for (const [conversationId, userId, sockets] of message['rows'] as CountRow[]) counts.set(conversationId, userId, sockets);
}
