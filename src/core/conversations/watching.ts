import { isGap, type BusMessage } from '../../base/events/index.ts';
import { Template, type ConversationsTable, type MessagesTable, type Queries } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import { openConversation } from './access.ts';
import { Attendance, attendanceHashes } from './members/attendance.ts';
import type { ConversationParts } from './parts.ts';
import { toMessages } from './reading.ts';
import { toConversation } from './rows.ts';
import { messageById, messagesBetween } from './statements.ts';
import type { AsideEvent, ConversationEvent } from './types.ts';

/** How often the rows of all watched conversations are looked at without a hint, where there may be other instances, milliseconds. */
const lookMs = 5000;
/** Conversations looked at with one query, and new messages of one conversation read at once. */
const rowsAtOnce = 500;

type Receive = (event: ConversationEvent) => void;

/** The conversations that somebody in this process watches. */
export interface Watched {
  /** Calls `receive` for what happens from now on, until the returned function is called. Permission is the caller's to check. */
  watch(conversationId: string, receive: Receive): Promise<() => void>;
  start(): void;
  stop(): void;
}

export function createWatched(parts: ConversationParts): Watched {
  const rooms = new Map<string, Room>();
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    void lookAtAll(parts, [...rooms.values()])
      .catch((error: unknown) => parts.log.warn({ err: error }, 'watched conversations could not be looked at'))
      .finally(() => timer?.refresh());
  };
  return {
    async watch(conversationId, receive) {
      const known = rooms.get(conversationId);
      const room = known && !known.isOver ? known : new Room(parts, conversationId);
      rooms.set(conversationId, room);
      // A function of its own, so that the same listener may watch twice.
      const member: Receive = (event) => receive(event);
      room.members.add(member);
      const leave = (): void => {
        room.members.delete(member);
        if (room.members.size > 0) return;
        if (rooms.get(conversationId) === room) rooms.delete(conversationId);
        room.close();
      };
      try {
        await room.ready;
      } catch (error) {
        leave();
        throw error;
      }
      return leave;
    },
    start() {
      if (parts.storage.engine === 'postgres') timer = setTimeout(look, lookMs).unref();
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

/** What is looked at of a conversation's row. */
type Seen = Pick<ConversationsTable, 'last_seq' | 'head_id' | (typeof shownColumns)[number]>;

/** Columns whose change is told as `changed`. */
const shownColumns = ['title', 'description', 'model', 'persona', 'system_prompt', 'temperature', 'max_tokens', 'parameters', 'is_private', 'tags', 'archived_at', 'trashed_at'] as const;
const seenColumns = ['last_seq', 'head_id', ...shownColumns] as const;
const seenById = new Template<{ id: string }, Seen>((queries, field) => queries.selectFrom('conversations').select(seenColumns).where('id', '=', field('id')));

/**
 * Those in this process who watch one conversation. A hint says only that something happened: what it was is found by
 * comparing the rows with what was told last, so that late, lost, doubled and reordered hints tell the same once and in
 * order.
 */
class Room {
  readonly conversationId: string;
  readonly members = new Set<Receive>();
  /** Resolves when it is known from where on is to be told. */
  readonly ready: Promise<void>;
  private readonly parts: ConversationParts;
  private readonly unsubscribe: () => void;
  private seen: Seen | null = null;
  /** Answers that wait or are being made, and their status as it was told last; in the order of their making. */
  private readonly unfinished = new Map<string, MessagesTable['status']>();
  /** One thing after another, so that everybody hears them in order. */
  private order: Promise<void>;
  private readonly attendance: Attendance;
  /** Whether a comparison waits in the order already, and whether it looks at who takes part, too. */
  private waiting: 'no' | 'messages' | 'all' = 'no';
  private closed = false;
  /** Whether it was told to be gone. One that was put away may be opened again: whoever comes then gets a new room. */
  isOver = false;

  constructor(parts: ConversationParts, conversationId: string) {
    this.parts = parts;
    this.conversationId = conversationId;
    this.attendance = new Attendance(conversationId);
    const topic = `conversation:${conversationId}`;
    // Subscribed before the rows are read: what happens after the reading is told.
    this.unsubscribe = parts.bus.subscribe(topic, (hint) => this.receive(hint));
    this.ready = parts.bus.listening(topic).then(() => this.begin());
    this.order = this.ready.catch(() => undefined);
  }

  close(): void {
    this.closed = true;
    this.unsubscribe();
  }

  /** Compares the rows with what was told, behind everything that waits; those of who takes part only when that may have changed. */
  compare(what: 'messages' | 'all'): void {
    const isPlanned = this.waiting !== 'no';
    if (this.waiting !== 'all') this.waiting = what;
    if (isPlanned) return;
    this.inOrder(async () => {
      const all = this.waiting === 'all';
      this.waiting = 'no';
      await this.tellChanges(all);
    });
  }

  /** Whether these rows are other than those told last. */
  differs(row: Seen | undefined, turns: ReadonlyMap<string, string>, attendance: string | null): boolean {
    if (!row || !this.seen || attendance !== this.attendance.hash) return true;
    if (seenColumns.some((column) => row[column] !== this.seen![column])) return true;
    for (const [id, status] of this.unfinished) if (turns.get(id) !== status) return true;
    return false;
  }

  private receive(hint: BusMessage): void {
    if (isGap(hint) && hint.reason === 'subscribed') return;
    // What is not kept stands in no row: the hint is all there is of it.
    if (hint.type === 'aside') return this.inOrder(async () => this.tell({ type: 'aside', ...(hint['event'] as AsideEvent) }));
    if (hint.type === 'note') return this.inOrder(async () => this.tell({ type: 'note', note: hint['note'] as Record<string, unknown> }));
    if (hint.type !== 'typing') return this.compare(hint.type === 'participants' || isGap(hint) ? 'all' : 'messages');
    this.inOrder(async () => this.tell(typingEvent(hint)));
  }

  private inOrder(work: () => Promise<void>): void {
    this.order = this.order
      .then(() => (this.closed ? undefined : work()))
      .catch((error: unknown) => this.parts.log.error({ err: error, conversation: this.conversationId }, 'an event of a conversation could not be told'));
  }

  private tell(event: ConversationEvent): void {
    for (const receive of this.members) receive(event);
  }

  private async begin(): Promise<void> {
    this.seen = (await this.row()) ?? null;
    const { read } = this.parts.storage;
    await this.attendance.begin(read);
    const turns = await read.selectFrom('turns').select(['message_id', 'state']).where('conversation_id', '=', this.conversationId).orderBy('position').execute();
    for (const turn of turns) this.unfinished.set(turn.message_id, statusOf(turn.state));
  }

  private async row(): Promise<Seen | undefined> {
    return seenById.first(this.parts.storage.read, { id: this.conversationId });
  }

  private async tellChanges(all: boolean): Promise<void> {
    const before = this.seen;
    const row = await this.row();
    if (!before) return;
    if (!row || row.archived_at !== null || row.trashed_at !== null) {
      this.seen = null;
      this.isOver = true;
      return this.tell({ type: 'deleted' });
    }
    // Before anything is said: who was taken out does not hear it.
    if (all) for (const event of await this.attendance.compare(this.parts.storage.read)) this.tell(event);
    await this.tellTurns();
    const added = row.last_seq > before.last_seq ? await this.added(before.last_seq, row.last_seq) : [];
    if (row.head_id !== before.head_id && !followsOn(before.head_id, row.head_id, added)) this.tell({ type: 'branch_changed', headId: row.head_id });
    await this.tellAdded(added);
    this.seen = row;
    if (shownColumns.some((column) => row[column] !== before[column])) await this.tellChanged();
  }

  /** Answers that began to run or ended since they were told last. */
  private async tellTurns(): Promise<void> {
    if (this.unfinished.size === 0) return;
    const { read } = this.parts.storage;
    const rows = await rowsOf(read, [...this.unfinished.keys()]);
    const found = new Set(rows.map((row) => row.id));
    for (const id of this.unfinished.keys()) if (!found.has(id)) this.unfinished.delete(id);
    const moved = rows.filter((row) => row.status !== this.unfinished.get(row.id));
    for (const [index, message] of (await toMessages(read, moved)).entries()) this.tellAnswer(moved[index]!, message);
  }

  private async added(afterSeq: number, lastSeq: number): Promise<MessagesTable[]> {
    const added: MessagesTable[] = [];
    for (let seq = afterSeq; ;) {
      const rows = await messagesBetween.all(this.parts.storage.read, { conversation_id: this.conversationId, after: seq, last: lastSeq, limit: rowsAtOnce });
      added.push(...rows);
      if (rows.length < rowsAtOnce) return added;
      seq = rows.at(-1)!.seq;
    }
  }

  private async tellAdded(rows: readonly MessagesTable[]): Promise<void> {
    for (const [index, message] of (await toMessages(this.parts.storage.read, rows)).entries()) {
      if (message.role === 'assistant') this.tellAnswer(rows[index]!, message);
      else this.tell({ type: 'message', message });
    }
  }

  private tellAnswer(row: MessagesTable, message: Extract<ConversationEvent, { type: 'turn' }>['message']): void {
    if (row.ended_at === null) this.unfinished.set(row.id, row.status);
    else this.unfinished.delete(row.id);
    this.tell({ type: row.ended_at === null ? 'turn' : 'turn_ended', message });
  }

  private async tellChanged(): Promise<void> {
    const { read } = this.parts.storage;
    const owner = await read.selectFrom('conversations').select('owner_id').where('id', '=', this.conversationId).executeTakeFirst();
    if (!owner) return;
    const row = await openConversation(read, { userId: owner.owner_id } as Viewer, this.conversationId, 'read');
    // A pin is the owner's own: the others are not told of it.
    this.tell({ type: 'changed', conversation: toConversation({ ...row, viewer_pinned_at: null }) });
  }
}

/** Messages in their order; mostly it is one, the answer that is being made. */
async function rowsOf(queries: Queries, ids: readonly string[]): Promise<MessagesTable[]> {
  if (ids.length === 1) return messageById.all(queries, { id: ids[0]! });
  return queries.selectFrom('messages').selectAll().where('id', 'in', ids).orderBy('seq').execute();
}

function typingEvent(hint: BusMessage): ConversationEvent {
  const source = typeof hint['source'] === 'string' ? hint['source'] : null;
  return { type: 'typing', userId: String(hint['userId']), username: String(hint['username']), at: Number(hint['at']), isTyping: hint['isTyping'] !== false, source };
}

function statusOf(state: 'QUEUED' | 'RUNNING'): MessagesTable['status'] {
  return state === 'RUNNING' ? 'PROCESSING' : 'QUEUED';
}

/** Whether the new end of the shown path follows the old one through messages that were added. */
function followsOn(before: string | null, now: string | null, added: readonly MessagesTable[]): boolean {
  const parents = new Map(added.map((row) => [row.id, row.parent_id]));
  let at = now;
  while (at !== null && at !== before && parents.has(at)) at = parents.get(at)!;
  return at === before;
}

/** Hints may be lost: conversations whose rows are other than what was told are compared. Three queries for many. */
async function lookAtAll({ storage }: ConversationParts, rooms: readonly Room[]): Promise<void> {
  for (let first = 0; first < rooms.length; first += rowsAtOnce) {
    const some = rooms.slice(first, first + rowsAtOnce);
    const ids = some.map((room) => room.conversationId);
    const rows = new Map((await storage.read.selectFrom('conversations').select(['id', ...seenColumns]).where('id', 'in', ids).execute()).map((row) => [row.id, row]));
    const turns = await storage.read.selectFrom('turns').select(['message_id', 'state']).where('conversation_id', 'in', ids).execute();
    const states = new Map(turns.map((turn) => [turn.message_id, statusOf(turn.state)]));
    const hashes = await attendanceHashes(storage.read, ids);
    for (const room of some) if (room.differs(rows.get(room.conversationId), states, hashes.get(room.conversationId) ?? null)) room.compare('all');
  }
}
