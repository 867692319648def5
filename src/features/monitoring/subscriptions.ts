import { ParleyError } from '../../base/errors.ts';
import type { Log } from '../../base/observability/index.ts';

/** Shortest and longest time between two reports, milliseconds. What is asked for beyond is brought to these. */
const shortestMs = 1000;
const longestMs = 3_600_000;
/** Most subscribers of one user, and of all in this process. */
const mostOfUser = 20;
const most = 2000;

interface Subscription {
  userId: string;
  timer: NodeJS.Timeout;
}

/** Those who are told something again and again, each at its own pace and for as long as it stays. One subscription each. */
export class Subscriptions<Subscriber extends object> {
  private readonly log: Log;
  private readonly subscriptions = new Map<Subscriber, Subscription>();

  constructor(log: Log) {
    this.log = log;
  }

  /** How many there are. */
  get size(): number {
    return this.subscriptions.size;
  }

  /**
   * Calls `tell` at once and then at this pace, until `end`; a subscription it has already ends. While one report is made,
   * the next is left out.
   * @param tell is told whether the subscription still holds, so that what took it a while to find is not told behind its end
   * @returns the pace that is kept, milliseconds
   * @throws {ParleyError} `rate_limited` when this user, or everybody together, has too many
   */
  begin(subscriber: Subscriber, userId: string, everyMs: number, tell: (isCurrent: () => boolean) => Promise<void>): number {
    const known = this.subscriptions.get(subscriber);
    if (!known) this.requirePlace(userId);
    clearInterval(known?.timer);
    const pace = Math.min(Math.max(Math.round(everyMs), shortestMs), longestMs);
    let telling = false;
    const tellOnce = (): void => {
      if (telling) return;
      telling = true;
      tell(() => this.subscriptions.get(subscriber)?.timer === timer)
        .catch((error: unknown) => this.log.error({ err: error }, 'a subscriber could not be told its figures'))
        .finally(() => (telling = false));
    };
    const timer = setInterval(tellOnce, pace).unref();
    this.subscriptions.set(subscriber, { userId, timer });
    tellOnce();
    return pace;
  }

  /** @returns whether there was one */
  end(subscriber: Subscriber): boolean {
    clearInterval(this.subscriptions.get(subscriber)?.timer);
    return this.subscriptions.delete(subscriber);
  }

  endAll(): void {
    for (const subscriber of this.subscriptions.keys()) this.end(subscriber);
  }

  private requirePlace(userId: string): void {
    let own = 0;
    for (const subscription of this.subscriptions.values()) if (subscription.userId === userId) own += 1;
    if (own >= mostOfUser) throw new ParleyError('rate_limited', { message: `At most ${mostOfUser} sockets of a user can subscribe.` });
    if (this.subscriptions.size >= most) throw new ParleyError('rate_limited', { message: 'Too many sockets subscribe already.' });
  }
}
