/**
 * What the server says, in its own words (docs/arketic.md). Times are ISO 8601 in UTC, ids are UUIDs; figures are null
 * where they cannot be known.
 */

export interface User {
  id: string;
  username: string;
  name: string | null;
  email: string | null;
  role: 'owner' | 'admin' | 'user';
  /** False only for the owner of this machine before a password was set. */
  claimed: boolean;
}

export interface Session {
  user: User | null;
  registration: { mode: 'open' | 'invite' | 'closed'; owner_claimed: boolean };
  /** Whether this browser may act as the owner without a password, because it runs on the server's own machine. */
  local_trust: boolean;
}

export interface Chat {
  id: string;
  title: string;
  description: string | null;
  /** A direct chat is for one or two people; in a group everybody writes, in a channel those who run it. */
  chat_type: 'DIRECT' | 'GROUP' | 'CHANNEL';
  /** False: everybody with an account on this server may join a group or channel. */
  is_private: boolean;
  /** As chosen; `default` means the default model, null that no model answers. */
  ai_model: string | null;
  /** Messages on the shown branch. */
  message_count: number;
  last_activity_at: string;
  created_at: string;
  /** The last message of the shown branch. Only where branches were asked for. */
  head_id?: string | null;
  /** Only in the whole form of a chat, like the two below it. */
  archived_at?: string | null;
  trashed_at?: string | null;
  /** The reader's own pin. Missing in what everybody in the chat is told. */
  pinned_at?: string | null;
}

export type Role = 'OWNER' | 'ADMIN' | 'MEMBER';

/** Somebody who takes part in a chat. */
export interface Participant {
  user_id: string;
  username: string;
  role: Role;
  can_send_messages: boolean;
  last_read_at: string | null;
}

/** A group or channel that everybody on the server may join. */
export interface PublicChat {
  id: string;
  title: string;
  description: string | null;
  chat_type: 'DIRECT' | 'GROUP' | 'CHANNEL';
  message_count: number;
  participant_count: number;
  last_activity_at: string;
  is_participant: boolean;
}

/** A place where the words of a search were found. */
export interface SearchHit {
  chat_id: string;
  title: string;
  /** Null: the words are in the title. */
  message_id: string | null;
  message_type: 'USER' | 'AI' | 'SYSTEM' | null;
  created_at: string;
  snippet: string;
  /** UTF-16 units of the snippet; `end` is not included. */
  matches: { start: number; end: number }[];
}

export interface SearchPage {
  hits: SearchHit[];
  /** False: the time for one search was over before the page was full. */
  complete: boolean;
  /** Where the next page begins; null when nothing is left. */
  cursor: string | null;
}

/** A file of chats on its way into the account. */
export interface Import {
  id: string;
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  /** 0 to 1; null while not known. */
  progress: number | null;
  imported: number;
  present: number;
  skipped: number;
  messages: number;
  chats: ImportedChat[];
  /** Chats for which the list has no room. */
  unlisted: number;
  error: string | null;
  created_at: string;
  ended_at: string | null;
}

export interface ImportedChat {
  title: string;
  source_id: string | null;
  outcome: 'imported' | 'present' | 'skipped';
  chat_id: string | null;
  messages: number;
  remarks: { what: string; count: number }[];
}

export type MessageStatus = 'QUEUED' | 'PROCESSING' | 'DELIVERED' | 'CANCELLED' | 'FAILED' | 'INTERRUPTED';

export interface MessageError {
  code: string;
  message: string;
}

/** "Message, whole" of docs/arketic.md: what the page needs of it. */
export interface Message {
  id: string;
  chat_id: string;
  sender_id: string | null;
  /** For an answer in the making: the text stored so far. */
  content: string;
  message_type: 'USER' | 'AI' | 'SYSTEM';
  /** `provider/model` that spoke, or is speaking. */
  model: string | null;
  processing_time_ms: number | null;
  status: MessageStatus;
  created_at: string;
  is_edited: boolean;
  parent_id: string | null;
  /** Order of making over all branches of the chat. */
  seq: number;
  /** Ids of the messages at the same place on other branches, this one included, oldest first. */
  siblings: string[];
  reasoning: string | null;
  error: MessageError | null;
  finish_reason: string | null;
  tokens: { input: number | null; output: number | null; reasoning: number | null; cached: number | null } | null;
  cost_usd: number | null;
  time_to_first_token_ms: number | null;
  /** While it is being made: number of the last event that `content` holds. */
  last_event_seq: number;
  /** Tools the answer asked for; `arguments` is JSON text as the model wrote it. */
  tool_calls: { id: string; name: string; arguments: string }[] | null;
  /** Set: this is the result of that call. */
  tool_call_id: string | null;
  /** Pictures sent with it: `type` is null for one that is somewhere else. */
  images: { url: string; type: string | null; bytes: number | null }[];
  /** What was sent with it. Names of people from elsewhere stand under `parley_import`. */
  message_metadata?: Record<string, unknown> | null;
  ended_at: string | null;
}

export interface Model {
  /** `provider/model`. */
  id: string;
  label: string;
  provider: string;
  /** Runs on the server's machine, or what is said leaves it. */
  location: 'local' | 'remote';
  context_length: number | null;
  size_bytes: number | null;
}

export interface Models {
  models: Model[];
  default: string | null;
}

export interface Provider {
  id: string;
  kind: string;
  location: string;
  state: 'ready' | 'absent' | 'needs-key' | 'error';
  /** One sentence for a person. */
  detail: string;
  how_to_add: string;
  models: string[];
}

export interface RecommendedModel {
  name: string;
  source: string;
  size_bytes: number | null;
  licence: string | null;
  description: string;
}

export interface Setup {
  providers: Provider[];
  /** For those who run the server only. */
  models_folder: string | null;
  default: string | null;
  recommended: RecommendedModel[];
}

/** A GGUF before it is fetched. */
export interface Inspection {
  source: string;
  url: string;
  file_name: string;
  size_bytes: number | null;
  licence: string | null;
  architecture: string | null;
  context_length: number | null;
  sha256: string | null;
  free_bytes: number | null;
  /** Whether it fits on the disk; null when its size is not known. */
  fits: boolean | null;
}

export interface Pull {
  id: string;
  source: string;
  file_name: string | null;
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  received_bytes: number;
  size_bytes: number | null;
  bytes_per_second: number | null;
  error: string | null;
}

export interface ProviderKey {
  provider: string;
  /** The masked key. */
  hint: string;
}

/** What was used on one day, or of one model. */
export interface UsageLine {
  group: string | null;
  label: string;
  calls: number;
  /** Sums of what is known. */
  tokens: { input: number; output: number };
  cost_usd: number;
  calls_without_tokens: number;
  calls_without_price: number;
}

/** Null: no bound of this kind. */
export interface Amounts {
  requests: number | null;
  tokens: number | null;
  cost_usd: number | null;
}

export interface Budget {
  subject: 'user' | 'key';
  subject_id: string;
  label: string;
  period: 'day' | 'month';
  bounds: Amounts;
  used: Amounts;
  left: Amounts;
  resets_at: string;
}
