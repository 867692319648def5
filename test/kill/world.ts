import { call, ConnectionLost, type ClientAnswer, type ClientRequest } from './http-client.ts';
import type { Ledger } from './ledger.ts';
import type { Random } from './random.ts';

/** Probability that a client breaks a request it could have waited for. */
const dropRate = 0.04;

/** The clients' side of the server: where it is now, and what they do when it is gone. */
export class World {
  readonly ledger: Ledger;
  /** Set when actors shall end what they do; from then on nothing is killed or dropped. */
  finishing = false;
  private address: string | null = null;
  private waiting: (() => void)[] = [];

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  setUp(address: string): void {
    this.address = address;
    for (const wake of this.waiting.splice(0)) wake();
  }

  setDown(): void {
    this.address = null;
  }

  /** The address, once there is one. */
  async up(): Promise<string> {
    while (this.address === null) await new Promise<void>((resolve) => this.waiting.push(resolve));
    return this.address;
  }

  /** The milliseconds after which a client breaks the request it makes now, or null. */
  dropAfter(random: Random): number | null {
    return !this.finishing && random.chance(dropRate) ? random.next() * 12 : null;
  }

  /** A connection ended before its answer: waits a moment, so that a server that is just dying is not asked at once again. */
  async lost(dropped: boolean): Promise<void> {
    if (dropped) this.ledger.activity.connectionsDropped += 1;
    else this.ledger.activity.connectionsLost += 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** A request that may be made twice without harm: it is, until it is answered. */
  async ask(random: Random, given: Omit<ClientRequest, 'url'> & { path: string }): Promise<ClientAnswer> {
    for (;;) {
      const answer = await this.try(random, given);
      if (answer) return answer;
    }
  }

  /** One attempt; null when the connection broke and nobody knows what became of it, or the server was stopping. */
  async try(random: Random, { path, ...given }: Omit<ClientRequest, 'url'> & { path: string }): Promise<ClientAnswer | null> {
    const address = await this.up();
    const dropAfterMs = this.dropAfter(random);
    try {
      const answer = await call({ ...given, url: address + path, dropAfterMs });
      if (answer.status !== 503) return answer;
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
    }
    await this.lost(dropAfterMs !== null);
    return null;
  }
}
