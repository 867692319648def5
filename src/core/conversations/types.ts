import type { ContentPart, FinishReason, ModelMessage, Sampling, Target, ToolChoiceRequest, TokenLogprob, ToolCall, ToolDefinition, Usage } from '../models/index.ts';
import type { KeptPicture } from './pictures/pictures.ts';
import type { ChatProfileName } from './profiles/profiles.ts';
import type { WriteQueries } from '../../base/storage/index.ts';
import type { Parties } from './parties/parties.ts';

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

/** What happened in conversations since a time. */
export interface ConversationActivity {
  /** Whole messages that were said since then, on all branches. */
  messages: number;
  /** Conversations that were begun since then. */
  started: number;
  /** Conversations in which something was said since then. */
  conversations: number;
  /** Mean number of whole messages on the shown paths of these, from their beginning; null when there are none. */
  averageLength: number | null;
  /** Whole answers since then, by the chat profile that gave them; those without one count as the usual profile. */
  answersByProfile: Record<string, number>;
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
