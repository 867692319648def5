import type { Part } from '../../base/lifecycle.ts';
import type { ContentPart, DrawRequest, DrawResult, EmbedResult, FinishReason, ModelMessage, PictureType, Sampling, Target, ToolChoiceRequest, TokenLogprob, ToolCall, ToolDefinition, Usage } from '../models/index.ts';
import type { KeptPicture } from './pictures.ts';
import type { ChatProfileName } from './profiles.ts';
import type { Viewer } from '../accounts/index.ts';
import type { WriteQueries } from '../../base/storage/index.ts';
import type { Parties } from './parties.ts';
import type { SearchQuery, SearchResult } from './search/types.ts';

/** In place of a conversation's model: no model answers there, unless the sender of a message names one. */
export const noModel = 'none';

/** A conversation as a viewer sees it. */
export interface Conversation {
  id: string;
  ownerId: string;
  /** 1, 2, 3, ... among the owner's. */
  number: number;
  title: string;
  titleSource: 'default' | 'first-message' | 'model' | 'user';
  description: string | null;
  type: 'DIRECT' | 'GROUP' | 'CHANNEL';
  /** As asked for (`provider/model` or a bare name); null means the default model, `noModel` that none answers. */
  model: string | null;
  persona: string | null;
  systemPrompt: string | null;
  temperature: number | null;
  maxTokens: number | null;
  isPrivate: boolean;
  tags: string[] | null;
  label: string | null;
  /** The chat profile that answered last, or was chosen at its beginning; null where none was. */
  profile: ChatProfileName | null;
  origin: string;
  headId: string | null;
  /** Messages on the shown path. */
  messageCount: number;
  participantCount: number;
  createdAt: number;
  lastActivityAt: number;
  archivedAt: number | null;
  /** Since when it waits in the trash; null when it is not there. */
  trashedAt: number | null;
  /** Since when the viewer has pinned it; null when it is not pinned, and in what everybody in it is told. */
  pinnedAt: number | null;
}

/** `open`: neither archived nor in the trash. */
export type ConversationState = 'open' | 'archived' | 'trashed';

/** Which conversations a list holds. */
export interface ListFilter {
  /** Default `open`. The trash shows its owner's alone. */
  state?: ConversationState;
  /** Only those that the viewer has pinned, or has not. */
  pinned?: boolean;
  /** Only those that the viewer owns: for dialects that know no other people. */
  owned?: boolean;
  /** Only those with this label; with `orNone` also those without any. */
  label?: { text: string; orNone: boolean };
}

export type MessageStatus = 'QUEUED' | 'PROCESSING' | 'DELIVERED' | 'CANCELLED' | 'FAILED' | 'INTERRUPTED';

/** A message. Figures are measured in one place (./turns) and null where they cannot be known. */
export interface Message {
  id: string;
  conversationId: string;
  parentId: string | null;
  /** Order of making over all branches. */
  seq: number;
  depth: number;
  role: 'user' | 'assistant' | 'system' | 'tool';
  senderId: string | null;
  /** For an answer in the making: the text committed so far. */
  content: string;
  reasoning: string | null;
  toolCalls: ToolCall[] | null;
  /** For role `tool`: the call that this answers. */
  toolCallId: string | null;
  status: MessageStatus;
  replyToId: string | null;
  replacesId: string | null;
  isEdited: boolean;
  metadata: Record<string, unknown> | null;
  /** Sent with it, in order; their bytes are read one by one (`picture`). */
  pictures: KeptPicture[];
  /** `provider/model` that spoke (or is speaking). */
  model: string | null;
  tokensIn: number | null;
  tokensOut: number | null;
  tokensReasoning: number | null;
  tokensCached: number | null;
  costMicros: number | null;
  timeToFirstTokenMs: number | null;
  durationMs: number | null;
  finishReason: FinishReason | null;
  confidence: number | null;
  error: { code: string; message: string } | null;
  createdAt: number;
  endedAt: number | null;
  /** While it is QUEUED or PROCESSING: `seq` of the last event that `content` holds: attach behind it. Otherwise 0. */
  lastEventSeq: number;
  /** Ids of the messages that stand at the same place on other branches, this one included, oldest first. */
  siblings: string[];
}

export interface NewConversation {
  title?: string;
  description?: string | null;
  type?: 'DIRECT' | 'GROUP' | 'CHANNEL';
  model?: string | null;
  persona?: string | null;
  systemPrompt?: string | null;
  temperature?: number | null;
  maxTokens?: number | null;
  isPrivate?: boolean;
  tags?: string[] | null;
  label?: string | null;
  profile?: ChatProfileName | null;
  /** The dialect that makes it. */
  origin: string;
  /** Nothing branches in it: no message is edited, no answer made again or gone on with. Cannot be changed. Default false. */
  isLinear?: boolean;
}

export type ConversationChanges = Partial<Pick<NewConversation, 'title' | 'description' | 'model' | 'persona' | 'systemPrompt' | 'temperature' | 'maxTokens' | 'isPrivate' | 'tags'>>;

/** What some answers come to. Sums are of the answers where the figure is known, and null where it is of none. */
export interface AnswerFigures {
  answers: number;
  tokensIn: number | null;
  tokensOut: number | null;
  /** Micro-dollars (1e-6 USD). */
  costMicros: number | null;
  /** Answers that the sums lack: cancelled, broken off, imported, still in the making, or their service does not say. */
  withoutTokens: number;
  withoutPrice: number;
  averageTimeToFirstTokenMs: number | null;
  averageDurationMs: number | null;
}

export interface ConversationUsage {
  /** On all branches. */
  messages: number;
  byRole: Record<Message['role'], number>;
  /** Those of `messages` that were imported: their figures were measured elsewhere and are not in the sums. */
  imported: number;
  /** Answers by how they ended, or stand. */
  byStatus: Partial<Record<MessageStatus, number>>;
  total: AnswerFigures;
  /** By the model that spoke; null where none could be asked. */
  byModel: ({ model: string | null } & AnswerFigures)[];
}

export interface Page {
  /** Most rows, 1 to 1000. */
  limit: number;
  /** Rows to skip from the newest. */
  offset: number;
}

export interface Participant {
  userId: string;
  username: string;
  role: 'OWNER' | 'ADMIN' | 'MEMBER';
  canSendMessages: boolean;
  canUploadFiles: boolean;
  messageCount: number;
  joinedAt: number;
  /** When they last fetched the history, or were sent a message on an open socket; null before the first time. */
  lastReadAt: number | null;
}

/** What is left out stays as it is; a new role brings the permissions that it has by itself (in a channel members may not send). */
export interface ParticipantChanges {
  /** OWNER hands the conversation over. */
  role?: Participant['role'];
  canSendMessages?: boolean;
  canUploadFiles?: boolean;
}

/** What everybody may see of a group or channel that is not private. */
export interface PublicConversation extends Pick<Conversation, 'id' | 'title' | 'description' | 'type' | 'tags' | 'messageCount' | 'participantCount' | 'createdAt' | 'lastActivityAt'> {
  /** Whether the viewer takes part already. */
  takesPart: boolean;
}

/** A message to send. */
export interface Outgoing {
  /** The text. With `parts` the text of these alone, one below the other. */
  content: string;
  /** Text and pictures in their order, where there is more than text: at most 8 pictures of 6 MB. */
  parts?: ContentPart[];
  metadata?: Record<string, unknown> | null;
  /** What the sender's program knows of the circumstances (a place, the time of day): the model is told it as data, and it is kept in the message's metadata. */
  context?: Record<string, unknown> | null;
  replyToId?: string | null;
  /** Whether a model answers it. Default true; in a conversation with `noModel` only when `model` names one. */
  answer?: boolean;
  /** Overrides the conversation's model for this answer. */
  model?: string | null;
  sampling?: Sampling;
  tools?: ToolDefinition[];
  toolChoice?: ToolChoiceRequest;
  /** Says who pays and where it came from in the usage rows. */
  dialect: string;
  /** A second send of this viewer with the same key answers with the first one's messages; in another conversation it is a `conflict`. */
  idempotencyKey?: string | null;
  /** Dialects that the built-in responder does not speak set this; then the model counts as missing. Default false. */
  refuseBuiltin?: boolean;
  /**
   * What happens when the model cannot be asked at all (`model_not_found`, `no_api_key`, `no_model`): `fail` stores the
   * message and an answer that has FAILED with that code, so that nothing typed is lost; `throw` stores nothing. Default `fail`.
   */
  withoutModel?: 'fail' | 'throw';
  /** Messages that come with this one and stand before it: results of tools, more inputs. At most 128. */
  before?: ModelMessage[];
  /** Set: the message is the result of this tool call (role `tool`), not a person's. */
  toolCallId?: string;
  /** In place of the conversation's system prompt and persona, for this answer only. */
  instructions?: string | null;
  /**
   * The sender reads the answer only when it is complete: the model may be asked without streaming (ModelRequest.whole),
   * and whoever else follows the answer sees it at its end, too. Default false.
   */
  whole?: boolean;
  /** Kept on the answer. */
  answerMetadata?: Record<string, unknown> | null;
  /** The chat profile that answers: what it tells the model stands in front of the conversation's own system prompt. Kept as the conversation's. */
  profile?: ChatProfileName;
  /** Ask for log-probabilities where the model gives them, so that the answer has a confidence. Default false. */
  confidence?: boolean;
  /** Most tokens of earlier messages that the model is told, 0 for none; default as many as fit. */
  historyTokens?: number;
  /** Keep on the answer how much of the conversation its model was told (`contextNoteOf`). Default false. */
  notesContext?: boolean;
  /** A target that `Models.ready` made ready, in place of `model`. An answer that has to wait its turn takes leave anew. */
  target?: Target;
}

/** A message to write down as it is. */
export interface Appended {
  role: 'user' | 'assistant' | 'system';
  content: string;
  /** Which model is said to have made it: `provider/model`, or a bare name. */
  model?: string | null;
  /** Tokens it is said to have used: kept as those sent, or, for an answer, as those made, with none sent. */
  tokens?: number | null;
  metadata?: Record<string, unknown> | null;
  /** Which party has said it, where models speak for several (`Speaking`). */
  party?: string;
  /** Called in the transaction that stores it, while nothing else can be stored in the conversation. What it throws is thrown, and nothing is stored. */
  check?(queries: WriteQueries): Promise<void>;
}

/** What lets one party of a conversation speak, where a model speaks for each. */
export interface Speaking {
  parties: Parties;
  model: string | null;
  /** In place of the conversation's system prompt and persona. */
  instructions: string | null;
  sampling?: Sampling;
  dialect: string;
  /** As in Outgoing. */
  refuseBuiltin?: boolean;
  /** Kept on what it says. */
  metadata?: Record<string, unknown> | null;
  /** As in Appended. */
  check?(queries: WriteQueries): Promise<void>;
}

/** What a turn tells. `seq` is 1, 2, 3, ... without gaps within one message; every event is committed before it is seen. */
export type TurnEvent = { seq: number } & (
  /** Just before the first piece the model says; `model` is the one that really speaks. */
  | { kind: 'start'; model: string }
  /** `offset`: UTF-16 units of this kind before it. Never cuts a surrogate pair. */
  | { kind: 'text'; text: string; offset: number }
  | { kind: 'reasoning'; text: string; offset: number }
  | { kind: 'tool'; index: number; id?: string; name?: string; arguments: string }
  /** Only where the sender asked for them. */
  | { kind: 'logprobs'; tokens: TokenLogprob[] }
  | { kind: 'usage'; usage: Usage }
  /** The last event. `message` is the stored message as it ended. */
  | { kind: 'end'; status: Exclude<MessageStatus, 'QUEUED' | 'PROCESSING'>; finishReason: FinishReason | null; error: { code: string; message: string; retryAfterMs?: number } | null }
);

export interface Sent {
  userMessage: Message;
  /** The answer in the making (QUEUED or PROCESSING); null when no answer was asked for. */
  answer: Message | null;
}

/** Conversations and their messages. Implemented in ./repository.ts and ./service.ts. */
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
  /** Vectors of texts; only the usage row is kept. @throws {ParleyError} as `Models.resolve` and `Models.embed` */
  embedUnstored(viewer: Viewer, request: { model: string | null; texts: string[]; dimensions?: number; dialect: string }, signal: AbortSignal): Promise<EmbedResult & { model: string }>;
  /** Pictures, as many as asked for or an error; only the usage row is kept. @throws {ParleyError} as `Models.resolve`, `Models.draw` and `Budgets.reserve` */
  drawUnstored(viewer: Viewer, request: Omit<DrawRequest, 'model'> & { model: string | null; dialect: string }, signal: AbortSignal): Promise<DrawResult & { model: string }>;
}

/** A question about a conversation that is not kept. */
export interface Aside {
  content: string;
  /** Who is asked. */
  target: Target;
  dialect: string;
  /** As in ModelRequest: the caller reads the answer only when it is complete. */
  whole?: boolean;
}

export interface ReplyFigures {
  /** Answers that were measured. */
  replies: number;
  /** Mean milliseconds from asking the model to its last event; null when there are none. */
  averageDurationMs: number | null;
}

/** Figures over a viewer's own conversations. */
export interface ChatStatistics {
  conversations: number;
  /** Whole messages on their shown paths. */
  messages: number;
  /** Conversations with a message in the last 30 minutes. */
  active: number;
  /** Conversations by the chat profile that answered last; they add up to `conversations`. */
  byProfile: Record<string, number>;
  /** Mean milliseconds from asking the model to its last event, over all whole answers; null when there are none. */
  averageDurationMs: number | null;
  /** Rows of messages that are kept: on all branches, in the archive and in the trash, too. */
  keptRows: number;
}

/** Counts of rows. */
export interface Totals {
  users: number;
  conversations: number;
  messages: number;
}

export interface UnstoredRequest extends Sampling {
  model: string | null;
  messages: ModelMessage[];
  tools?: ToolDefinition[];
  toolChoice?: ToolChoiceRequest;
  dialect: string;
  /** As in ModelRequest: the caller reads the answer only when it is complete. */
  whole?: boolean;
  /** A target that `Models.ready` made ready, in place of `model`. */
  target?: Target;
}

export interface UnstoredReply {
  /** `provider/model` that answers. */
  model: string;
  events: AsyncIterable<import('../models/index.ts').ReplyEvent[]>;
}

/**
 * What is told of an answer that is not kept. `message` looks like a stored one; at the end its content is left out, and
 * `length` (UTF-16 units) says how long it is. `offset`: UTF-16 units before the piece, which never cuts a surrogate pair.
 */
export type AsideEvent =
  | { step: 'began'; message: Message }
  | { step: 'text'; messageId: string; text: string; offset: number }
  | { step: 'ended'; message: Message; length: number };

/** What happens in a conversation, for those who watch it. Carries what a socket needs to show; texts of running turns come by `attach`. */
export type ConversationEvent =
  | { type: 'message'; message: Message }
  /** A turn has begun to run (or waits, see status): attach to it. */
  | { type: 'turn'; message: Message }
  /** A turn has ended; the message is as stored. */
  | { type: 'turn_ended'; message: Message }
  /** `source`: as `typing` was told it; null where it was not. */
  | { type: 'typing'; userId: string; username: string; at: number; isTyping: boolean; source: string | null }
  | { type: 'participant_joined'; participant: Participant }
  /** Left, or was taken out: whoever watches for several people shows this one nothing from now on. */
  | { type: 'participant_left'; userId: string; username: string }
  /** Has another role or other permissions. */
  | { type: 'participant_changed'; participant: Participant }
  /** Of an answer that is not kept: its beginning, a piece of its text, its end. */
  | ({ type: 'aside' } & AsideEvent)
  /** Of a feature, as `note` was told it. */
  | { type: 'note'; note: Record<string, unknown> }
  | { type: 'branch_changed'; headId: string | null }
  | { type: 'changed'; conversation: Conversation }
  | { type: 'deleted' };
