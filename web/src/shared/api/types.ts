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
  /** As chosen; `default` means the default model, null that no model answers. */
  ai_model: string | null;
  /** Messages on the shown branch. */
  message_count: number;
  last_activity_at: string;
  created_at: string;
  /** The last message of the shown branch. Only where branches were asked for. */
  head_id?: string | null;
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
