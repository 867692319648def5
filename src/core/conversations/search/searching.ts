import { ParleyError } from '../../../base/errors.ts';
import { isId } from '../../../base/ids.ts';
import type { Viewer } from '../../accounts/index.ts';
import { openConversation } from '../access.ts';
import type { ConversationParts } from '../parts.ts';
import { holdsAll, snippetOf, wordsOf } from './matching.ts';
import { textsOf } from './reading.ts';
import { Scan, type Step } from './scan.ts';
import type { SearchHit, SearchQuery, SearchResult } from './types.ts';

/** How long one search may look, milliseconds. */
const timeMs = 1000;
/** Searches at the same time in this process; others wait. */
const mostAtOnce = 2;
const mostWaiting = 32;

/** A hit whose snippet is not made yet: only those that are shown need one. */
type Found = Omit<SearchHit, 'snippet' | 'matches'>;

/** A place in the order of hits: everything before it has been given. */
interface Place {
  at: number;
  /** Null: everything of this time is still to come. */
  id: string | null;
  /** Hits behind it that are to be left out. */
  skip: number;
}

/**
 * Search by going through the messages, from the newest to the oldest, for as long as the time lasts: simple, equal on
 * both engines, and of use up to some hundred thousand messages. Nothing but this file and ./search knows how it is done.
 */
export function createSearch({ storage, clock }: Pick<ConversationParts, 'storage' | 'clock'>, limits: { timeMs: number } = { timeMs }) {
  const places = createPlaces();

  return async function search(viewer: Viewer, query: SearchQuery, signal: AbortSignal = new AbortController().signal): Promise<SearchResult> {
    const words = wordsOf(query.text);
    if (words.length === 0) throw new ParleyError('invalid_request', { message: 'Say what to look for.', parameter: 'q' });
    const start = placeFrom(query.cursor);
    if (query.conversationId !== undefined) await openConversation(storage.read, viewer, query.conversationId, 'read', query.state === 'archived' ? 'put-away' : 'open');
    const leave = await places.enter();
    try {
      const until = clock.monotonic() + limits.timeMs;
      return await run(words, query, start, viewer, signal, () => clock.monotonic() >= until);
    } finally {
      leave();
    }
  };

  async function run(words: string[], query: SearchQuery, start: Place, viewer: Viewer, signal: AbortSignal, isLate: () => boolean): Promise<SearchResult> {
    const newest = Math.min(start.at, query.to === undefined ? Infinity : query.to - 1);
    const scan = new Scan(storage.read, viewer.userId, {
      state: query.state ?? 'open', oldest: query.from ?? -Infinity, newest, ...(query.conversationId === undefined ? {} : { conversationId: query.conversationId }),
    });
    const skip = start.skip + (query.offset ?? 0);
    const wanted = skip + query.limit;
    const found: Found[] = [];
    for (;;) {
      const step = await scan.next();
      if (step) await match(step);
      // Only what is newer than all that is left has its place for good.
      const ready = found.filter(({ at }) => at > scan.horizon).sort(byPlace);
      if (ready.length >= wanted && (ready.length > wanted || step)) return { hits: await shown(ready.slice(skip, wanted)), complete: true, cursor: asCursor({ ...placeOf(ready[wanted - 1]!), skip: 0 }) };
      if (!step) return { hits: await shown(ready.slice(skip)), complete: true, cursor: null };
      // A search always comes further than the one before it.
      if (isLate() && scan.horizon < newest && scan.horizon > -Infinity) return { hits: await shown(ready.slice(skip)), complete: false, cursor: asCursor({ at: scan.horizon, id: null, skip: Math.max(0, skip - ready.length) }) };
    }

    async function match(step: Step): Promise<void> {
      const take = (hit: Found, text: string): void => void (isBehind(placeOf(hit), start) && holdsAll(text, words) && found.push(hit));
      if (query.roles === undefined) {
        for (const { id, title, last_activity_at: at } of step.conversations) take({ conversationId: id, title, messageId: null, role: null, at }, title);
      }
      const messages = step.messages.filter(({ role }) => query.roles?.includes(role) ?? true);
      const titles = new Map(messages.map(({ id, title }) => [id, title]));
      for await (const { candidate: { id, conversation_id: conversationId, role, created_at: at }, content } of textsOf(storage.read, messages, signal)) {
        take({ conversationId, title: titles.get(id)!, messageId: id, role, at }, content);
      }
    }

    async function shown(hits: readonly Found[]): Promise<SearchHit[]> {
      const ids = hits.flatMap(({ messageId }) => messageId ?? []);
      const rows = ids.length === 0 ? [] : await storage.read.selectFrom('messages').select(['id', 'content']).where('id', 'in', ids).execute();
      const texts = new Map(rows.map(({ id, content }) => [id, content]));
      return hits.map((hit) => {
        // One that has been removed since it was found shows nothing of itself.
        const { text: snippet, matches } = snippetOf(hit.messageId === null ? hit.title : (texts.get(hit.messageId) ?? ''), words);
        return { ...hit, snippet, matches };
      });
    }
  }
}

function placeOf({ at, messageId, conversationId }: Found): { at: number; id: string } {
  return { at, id: messageId ?? conversationId };
}

function byPlace(one: Found, other: Found): number {
  const [first, second] = [placeOf(one), placeOf(other)];
  return second.at - first.at || (first.id < second.id ? 1 : -1);
}

function isBehind(hit: { at: number; id: string }, place: Place): boolean {
  return hit.at < place.at || (hit.at === place.at && (place.id === null || hit.id < place.id));
}

function asCursor({ at, id, skip }: Place): string {
  return [at, id ?? '', skip].join('_');
}

/** @throws {ParleyError} `invalid_request` for what no search has given */
function placeFrom(cursor: string | undefined): Place {
  if (cursor === undefined) return { at: Infinity, id: null, skip: 0 };
  const [, at, id, skip] = /^(-?\d{1,16})_([0-9a-f-]{0,36})_(\d{1,10})$/.exec(cursor) ?? [];
  if (at === undefined || id === undefined || (id !== '' && !isId(id))) throw new ParleyError('invalid_request', { message: 'This cursor is not one that a search gave.', parameter: 'cursor' });
  return { at: Number(at), id: id || null, skip: Number(skip) };
}

/** Lets few in at once, in the order of their coming. */
function createPlaces() {
  let running = 0;
  const waiting: (() => void)[] = [];
  const leave = (): void => {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  };
  return {
    /** @throws {ParleyError} `rate_limited` */
    async enter(): Promise<() => void> {
      if (running >= mostAtOnce) {
        if (waiting.length >= mostWaiting) throw new ParleyError('rate_limited', { message: 'Too many searches are under way. Try again in a moment.', retryAfterMs: 1000 });
        await new Promise<void>((resolve) => waiting.push(resolve));
      } else running += 1;
      return leave;
    },
  };
}
