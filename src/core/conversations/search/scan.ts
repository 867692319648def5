import type { Queries } from '../../../base/storage/index.ts';
import { candidatesOf, lastAt, someConversations, type Candidate, type Listed, type Slice } from './reading.ts';

/** Conversations looked up with one query. */
const conversationsAtOnce = 200;
/** Messages of one step: few at the beginning, because the first ones often are enough. */
const firstStep = 64;
const longestStep = 512;
/** Parts of conversations in one query. */
const mostSlices = 40;
/** Conversations longer than this are entered at the right place; in shorter ones what is too new is passed over. */
const shortLength = 256;

/** What is left of one conversation. */
interface Rest {
  conversation: Listed;
  /** Nothing that is left in it is newer. */
  newest: number;
  /** The last `seq` that is left. */
  to: number;
}

export interface ScanFilter {
  state: 'open' | 'archived';
  conversationId?: string;
  /** Milliseconds since the epoch; nothing older and nothing newer is read. */
  oldest: number;
  newest: number;
}

/** What one step has found to look at. */
export interface Step {
  conversations: Listed[];
  messages: (Candidate & { title: string })[];
}

/**
 * Reads the conversations of a user from the newest message to the oldest, over all of them: each has its messages in
 * order, so the next ones are in the one whose rest is the newest. No text is read here.
 */
export class Scan {
  private readonly queries: Queries;
  private readonly userId: string;
  private readonly filter: ScanFilter;
  /** By `newest`, the greatest last. */
  private readonly rests: Rest[] = [];
  private lastListed: Listed | null = null;
  private allListed = false;
  private size = firstStep;

  constructor(queries: Queries, userId: string, filter: ScanFilter) {
    this.queries = queries;
    this.userId = userId;
    this.filter = filter;
  }

  /** Everything newer than this has been given; negative infinity at the end. */
  get horizon(): number {
    const listed = this.allListed ? -Infinity : Math.min(this.filter.newest, this.lastListed?.last_activity_at ?? Infinity);
    return Math.max(this.rests.at(-1)?.newest ?? -Infinity, listed);
  }

  /** The next part; null at the end. */
  async next(): Promise<Step | null> {
    const rest = this.rests.at(-1);
    if (!this.allListed && (!rest || (this.lastListed?.last_activity_at ?? Infinity) >= rest.newest)) return { conversations: await this.list(), messages: [] };
    if (!rest) return null;
    const taken = this.take();
    this.size = Math.min(longestStep, this.size * 2);
    const found = await candidatesOf(this.queries, taken.map(({ slice }) => slice));
    const { oldest, newest } = this.filter;
    const titles = new Map<string, string>();
    for (const { rest: left, slice } of taken) {
      titles.set(slice.conversationId, left.conversation.title);
      this.putBack(left, slice, found);
    }
    const messages = found.filter(({ created_at: at }) => at >= oldest && at <= newest).map((candidate) => ({ ...candidate, title: titles.get(candidate.conversation_id)! }));
    return { conversations: [], messages };
  }

  private async list(): Promise<Listed[]> {
    const listed = await someConversations(this.queries, this.userId, this.filter, this.lastListed, conversationsAtOnce);
    this.allListed = listed.length < conversationsAtOnce || this.filter.conversationId !== undefined;
    this.lastListed = listed.at(-1) ?? this.lastListed;
    for (const conversation of listed) {
      // Nothing in it, nor in those behind it, is newer than its last activity.
      if (conversation.last_activity_at < this.filter.oldest) this.allListed = true;
      else await this.enter(conversation);
    }
    return listed.filter(({ last_activity_at: at }) => at >= this.filter.oldest && at <= this.filter.newest);
  }

  private async enter(conversation: Listed): Promise<void> {
    const { newest } = this.filter;
    const isAfter = conversation.last_activity_at > newest;
    const to = isAfter && conversation.last_seq > shortLength ? await lastAt(this.queries, conversation.id, conversation.last_seq, newest) : conversation.last_seq;
    if (to > 0) this.insert({ conversation, newest: Math.min(conversation.last_activity_at, newest), to });
  }

  /** The parts to read next: of the newest conversation, and of those behind it while there is room. */
  private take(): { rest: Rest; slice: Slice }[] {
    const taken: { rest: Rest; slice: Slice }[] = [];
    for (let room = this.size; room > 0 && taken.length < mostSlices; ) {
      const rest = this.rests.at(-1);
      if (!rest || (taken.length > 0 && rest.to > room)) break;
      this.rests.pop();
      const after = Math.max(0, rest.to - room);
      taken.push({ rest, slice: { conversationId: rest.conversation.id, after, to: rest.to } });
      room -= rest.to - after;
    }
    return taken;
  }

  private putBack(rest: Rest, slice: Slice, found: readonly Candidate[]): void {
    if (slice.after === 0) return;
    let [lowest, at] = [Infinity, rest.newest];
    for (const candidate of found) {
      if (candidate.conversation_id !== slice.conversationId || candidate.seq >= lowest) continue;
      lowest = candidate.seq;
      at = Math.min(rest.newest, candidate.created_at);
    }
    if (at >= this.filter.oldest) this.insert({ ...rest, newest: at, to: slice.after });
  }

  private insert(rest: Rest): void {
    let [low, high] = [0, this.rests.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.rests[middle]!.newest < rest.newest) low = middle + 1;
      else high = middle;
    }
    this.rests.splice(low, 0, rest);
  }
}
