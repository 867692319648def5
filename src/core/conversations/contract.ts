import type { Part } from '../../base/lifecycle.ts';
import type { ContentPart, DrawRequest, DrawResult, EmbedResult, ModelMessage, PictureType } from '../models/index.ts';
import type { WriteQueries } from '../../base/storage/index.ts';
import type { Viewer } from '../accounts/index.ts';
import type { SearchQuery, SearchResult } from './search/types.ts';
import type { Appended, Aside, AsideEvent, ChatStatistics, Conversation, ConversationActivity, ConversationChanges, ConversationEvent, ConversationUsage, ListFilter, Message, NewConversation, Outgoing, Page, Participant, ParticipantChanges, PublicConversation, ReplyFigures, Sent, Speaking, Totals, TurnEvent, UnstoredReply, UnstoredRequest } from './types.ts';

/** Conversations and their messages. Implemented in ./service.ts. */
export interface Conversations extends Part {
  /** @param also called in the same transaction: what a feature keeps beside the conversation */
  create(viewer: Viewer, fields: NewConversation, also?: (queries: WriteQueries, conversationId: string, now: number) => Promise<void>): Promise<Conversation>;
  /** Newest activity first. */
  list(viewer: Viewer, page: Page, filter?: ListFilter): Promise<Conversation[]>;
  /** @throws {ParleyError} `not_found` when it does not exist or is archived, `forbidden` when the viewer takes no part. */
  get(viewer: Viewer, conversationId: string): Promise<Conversation>;
  change(viewer: Viewer, conversationId: string, changes: ConversationChanges): Promise<Conversation>;
  /**
   * Puts it away for everybody: only lists of archived ones show it. Answers that wait or run are cancelled, and keep their text.
   * One that is archived already stays as it is. @throws {ParleyError} as `get`; `forbidden` for anyone but the owner
   */
  archive(viewer: Viewer, conversationId: string): Promise<Conversation>;
  /** Puts it into the trash, from where it is deleted for good after a time (`trashDays`); otherwise like `archive`. */
  trash(viewer: Viewer, conversationId: string): Promise<Conversation>;
  /** Opens it again, from the archive and from the trash; an open one stays as it is. For the owner alone. */
  restore(viewer: Viewer, conversationId: string): Promise<Conversation>;
  /** Pins it for the viewer, or takes the pin off. Other participants do not notice. */
  pin(viewer: Viewer, conversationId: string, pinned: boolean): Promise<Conversation>;
  /** Titles and messages of the viewer's conversations that hold all words of the query. @throws {ParleyError} `invalid_request`, as `get`, `rate_limited` */
  search(viewer: Viewer, query: SearchQuery, signal?: AbortSignal): Promise<SearchResult>;
  /** How many conversations `list` would give in all. */
  count(viewer: Viewer, filter?: ListFilter): Promise<number>;
  /** Messages on the shown path of each that forms of whole messages show (`isWhole`); conversations without any are left out. */
  wholeMessages(viewer: Viewer, conversationIds: readonly string[]): Promise<Map<string, number>>;
  /** Of the conversations that the viewer owns, without those that are put away. */
  statistics(viewer: Viewer): Promise<ChatStatistics>;
  /**
   * What happened since a time in the conversations that the viewer owns, also in those that are put away by now.
   * @param since milliseconds since the epoch
   * @param whose `all`: in everybody's @throws {ParleyError} `forbidden`, for that, unless the viewer is an administrator
   */
  activity(viewer: Viewer, since: number, whose?: 'own' | 'all'): Promise<ConversationActivity>;
  /** What its messages come to: counts, tokens, cost and times of the answers, over all branches. @throws {ParleyError} as `get`; archived ones are found */
  usage(viewer: Viewer, conversationId: string): Promise<ConversationUsage>;
  /** Deletes it, also an archived one and one in the trash, with all messages and running turns (which are cancelled first). Usage rows stay. */
  delete(viewer: Viewer, conversationId: string): Promise<void>;
  /** One page of the shown path, oldest first inside the page, counted from the newest. */
  messages(viewer: Viewer, conversationId: string, page: Page & { /** Leaves the viewer's read mark where it is. */ peek?: boolean }): Promise<Message[]>;
  message(viewer: Viewer, messageId: string): Promise<Message>;
  /** One page of the path from the root to this message, itself included, oldest first inside the page, counted from the message. */
  pathTo(viewer: Viewer, messageId: string, page: Page): Promise<Message[]>;
  /**
   * Removes an answer and what was sent for it, when nothing follows behind them; a running one is cancelled first. When
   * something follows, they stay as a part of it, and the answer's metadata says `forgotten: true`: they go as soon as
   * nothing follows any more. A conversation with nothing left goes with them.
   */
  forgetAnswer(viewer: Viewer, messageId: string): Promise<void>;
  participants(viewer: Viewer, conversationId: string): Promise<Participant[]>;
  /** Groups and channels that are not private, newest activity first: what every user may join. */
  listPublic(viewer: Viewer, page: Page): Promise<PublicConversation[]>;
  /** Takes part in a public group or channel. @throws {ParleyError} `forbidden` where it is private or direct, `conflict` when it is full, `not_found` */
  join(viewer: Viewer, conversationId: string): Promise<Participant>;
  /** @throws {ParleyError} `conflict` for the owner, who hands the conversation over first */
  leave(viewer: Viewer, conversationId: string): Promise<void>;
  /** Brings somebody in, who is not asked. For the owner and admins. @throws {ParleyError} `not_found` for an unknown name, `conflict` when it is full */
  invite(viewer: Viewer, conversationId: string, username: string): Promise<Participant>;
  /**
   * For the owner; admins change the permissions of members, and may step down.
   * @throws {ParleyError} `forbidden`, `conflict` for what would leave it without an owner, `not_found`
   */
  changeParticipant(viewer: Viewer, conversationId: string, userId: string, changes: ParticipantChanges): Promise<Participant>;
  /** For the owner, and for admins as to members; who removes themselves leaves. Their sockets and streams of it end. */
  removeParticipant(viewer: Viewer, conversationId: string, userId: string): Promise<void>;
  /** The viewer has read what is there. Returns the time. */
  markRead(viewer: Viewer, conversationId: string): Promise<number>;
  /** Whole messages have just been sent to sockets of these users, who take part: moves their read marks. Costs no query: marks are written once a second. */
  received(conversationId: string, userIds: Iterable<string>): void;
  /**
   * The one conversation that dialects show which know only one. It is made at the first call, with `fields`, and anew when the
   * viewer cannot write in it any more (deleted, put away, left); many calls at the same time make one.
   */
  current(viewer: Viewer, fields: NewConversation): Promise<Conversation>;
  /** Makes a new conversation the current one. The one before stays as it is. */
  beginCurrent(viewer: Viewer, fields: NewConversation): Promise<Conversation>;
  /** Makes this conversation the current one. @throws {ParleyError} as `get`; `forbidden` when the viewer may not write in it */
  selectCurrent(viewer: Viewer, conversationId: string): Promise<Conversation>;
  /** The message with this `seq`, on whatever branch. @throws {ParleyError} as `get`, `not_found` for an unknown number */
  messageNumbered(viewer: Viewer, conversationId: string, seq: number): Promise<Message>;
  /** Figures over the answers of the shown path that were delivered whole. */
  replyFigures(viewer: Viewer, conversationId: string): Promise<ReplyFigures>;
  /** How much the database holds, of all users. @throws {ParleyError} `forbidden` for anyone but administrators */
  totals(viewer: Viewer): Promise<Totals>;
  /**
   * Tells the others of this conversation that the viewer is typing, or is not any more. Returns the time that was told.
   * @param options.source names the socket that says it, so that it does not hear itself; at most 64 characters
   */
  typing(viewer: Viewer, conversationId: string, options?: { isTyping?: boolean; source?: string }): Promise<number>;
  /** Shows the branch that goes through this message (down to its newest leaf). Refused with `conflict` while a turn runs. */
  selectBranch(viewer: Viewer, messageId: string): Promise<Conversation>;
  /**
   * Sends into the viewer's conversation whose shown path equals `history` (roles and texts, system prompt included);
   * when there is none, into a new one that holds `history` already. One transaction, so that two equal requests at
   * the same time never end in one conversation (OpenAI dialect, `store`).
   */
  sendWithHistory(viewer: Viewer, fields: NewConversation, history: ModelMessage[], message: Outgoing): Promise<Sent & { conversationId: string }>;
  /**
   * Writes a message down behind the shown path, without asking a model: one that was made elsewhere. For callers inside
   * the server; no dialect lets clients write in the name of a model. There is no usage row, because nothing was used here.
   * @throws {ParleyError} `not_found`, `forbidden`, `empty_message`, `invalid_request`
   */
  append(viewer: Viewer, conversationId: string, message: Appended): Promise<Message>;
  /** Whose a conversation is, for callers that act in the owner's name; null when there is none. Not for clients. */
  ownerOf(conversationId: string): Promise<string | null>;
  /** Calls `receive` for what happens in a conversation, until the returned function is called. Permission is checked first. */
  watch(viewer: Viewer, conversationId: string, receive: (event: ConversationEvent) => void): Promise<() => void>;

  /**
   * Stores the message and, unless `answer` is false, begins the answer: PROCESSING, or QUEUED behind the turns that
   * run already (at most 8, then `queue_full`). When this resolves, both are committed.
   * @throws {ParleyError} `empty_message`, `forbidden`, `not_found`, `queue_full`, `model_not_found`, `no_api_key`, `no_model`,
   * `rate_limited`, `budget_exceeded`, and `forbidden` for a model that a budget in money cannot pay. The last two store nothing.
   */
  send(viewer: Viewer, conversationId: string, message: Outgoing): Promise<Sent>;
  /**
   * Sends behind an answer that need not be at the end of the shown path: then a branch begins there, and is shown.
   * Behind the answer at the end it waits for it like `send`. @throws {ParleyError} as `send`; `conflict` when a branch
   * would begin while an answer of the conversation is being made.
   */
  sendAfter(viewer: Viewer, answerId: string, message: Outgoing): Promise<Sent>;
  /**
   * Lets a party say something behind what was said last: an answer to it as after `send`, without a message that asks.
   * @throws {ParleyError} as `send`; `conflict` in an empty conversation; what `check` throws
   */
  speak(viewer: Viewer, conversationId: string, speaking: Speaking): Promise<Message>;
  /**
   * Ends a conversation for good: nobody may send any more, whoever takes part may still read. Answers that wait or run are
   * cancelled. `also` is called in the transaction that closes it. @throws {ParleyError} as `get`; `forbidden` for anyone but the owner
   */
  close(viewer: Viewer, conversationId: string, also?: (queries: WriteQueries, now: number) => Promise<void>): Promise<void>;
  /** Tells those who watch a conversation something of a feature, in order with the messages. Not kept; without permission checks: for callers inside the server. */
  note(conversationId: string, note: Record<string, unknown>): void;
  /** The bytes of one picture of a message, in base64. `position` as in its `pictures`. @throws {ParleyError} `not_found`, also for one that is named by its address */
  picture(viewer: Viewer, messageId: string, position: number): Promise<{ type: PictureType; base64: string }>;
  /** Text and pictures of a message as they were sent; undefined for one without pictures. */
  partsOf(viewer: Viewer, message: Pick<Message, 'id' | 'content' | 'pictures'>): Promise<ContentPart[] | undefined>;
  /** Answers the same message once more, on a sibling branch. */
  regenerate(viewer: Viewer, messageId: string, options: Pick<Outgoing, 'model' | 'sampling' | 'dialect'>): Promise<Message>;
  /** Replaces a user's own message by a sibling (is_edited) and answers that one. */
  edit(viewer: Viewer, messageId: string, content: string, options: Pick<Outgoing, 'model' | 'sampling' | 'dialect'>): Promise<Sent>;
  /** Goes on with an answer that was CANCELLED, INTERRUPTED, FAILED or cut by length: a sibling that begins with its text. */
  continue(viewer: Viewer, messageId: string, options: Pick<Outgoing, 'model' | 'sampling' | 'dialect'>): Promise<Message>;
  /** Cancels a waiting or running answer; resolves when it has ended. An ended one is returned as it is. */
  cancel(viewer: Viewer, messageId: string): Promise<Message>;
  /**
   * Everything of a turn behind `afterSeq`, in batches, up to and including `end`: no gap, no repeat, also long after
   * it ended. (A day after its end the events are folded into one: who attaches in the middle then gets the whole text
   * once more, at offset 0.) Slow readers get fewer, larger pieces, unless they ask for every event as it was committed
   (`pieces: 'each'`), which is for those who count events.
   */
  attach(viewer: Viewer, messageId: string, afterSeq: number, signal: AbortSignal, pieces?: 'joined' | 'each'): AsyncIterable<TurnEvent[]>;
  /** A call that is not kept (OpenAI dialect without `store`): only its usage row is. Ends like `Models.reply`. @throws {ParleyError} as `Models.resolve` and `Budgets.reserve` */
  answerUnstored(viewer: Viewer, request: UnstoredRequest, signal: AbortSignal): Promise<UnstoredReply>;
  /**
   * Asks about a conversation without a trace in it: the model reads what it would read for a message that is kept, and nothing
   * is stored but the usage row. @throws {ParleyError} as `send`
   */
  answerAside(viewer: Viewer, conversationId: string, aside: Aside, signal: AbortSignal): Promise<UnstoredReply>;
  /** Tells those who watch a conversation of an answer that is not kept. Without permission checks: for whoever made it. */
  tellAside(conversationId: string, event: AsideEvent): void;
  /** Tokens of all answers of a conversation, prompt and text: of those whose figures are both known, on whatever branch. */
  tokensUsed(viewer: Viewer, conversationId: string): Promise<number>;
  /** Calls that are not kept and are being answered in this process now; vectors and pictures are not counted. */
  callsRunning(): number;
  /** Vectors of texts; only the usage row is kept. @throws {ParleyError} as `Models.resolve` and `Models.embed` */
  embedUnstored(viewer: Viewer, request: { model: string | null; texts: string[]; dimensions?: number; dialect: string }, signal: AbortSignal): Promise<EmbedResult & { model: string }>;
  /** Pictures, as many as asked for or an error; only the usage row is kept. @throws {ParleyError} as `Models.resolve`, `Models.draw` and `Budgets.reserve` */
  drawUnstored(viewer: Viewer, request: Omit<DrawRequest, 'model'> & { model: string | null; dialect: string }, signal: AbortSignal): Promise<DrawResult & { model: string }>;
}
