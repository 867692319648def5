/**
 * The tables. Times are milliseconds since the epoch in 64-bit integers; ids are UUIDs in text; flags are 0 or 1 and
 * JSON is text, so that both engines hold and compare the same values. Migrations in ./migrations make them.
 */
export interface Schema {
  users: UsersTable;
  tokens: TokensTable;
  api_keys: ApiKeysTable;
  provider_keys: ProviderKeysTable;
  invites: InvitesTable;
  oauth_clients: OauthClientsTable;
  oauth_requests: OauthRequestsTable;
  oauth_grants: OauthGrantsTable;
  oauth_refresh_tokens: OauthRefreshTokensTable;
  settings: SettingsTable;
  conversations: ConversationsTable;
  participants: ParticipantsTable;
  messages: MessagesTable;
  message_pictures: MessagePicturesTable;
  turns: TurnsTable;
  turn_log: TurnLogTable;
  usage: UsageTable;
  budgets: BudgetsTable;
  budget_counters: BudgetCountersTable;
  budget_reservations: BudgetReservationsTable;
  jobs: JobsTable;
  ledger_keys: LedgerKeysTable;
  ledger_log: LedgerLogTable;
  ledger_nodes: LedgerNodesTable;
  ledger_transcripts: LedgerTranscriptsTable;
  ledger_anchors: LedgerAnchorsTable;
  agent_sessions: AgentSessionsTable;
  session_agents: SessionAgentsTable;
  audit_log: AuditLogTable;
  pipeline_runs: PipelineRunsTable;
  pipeline_stages: PipelineStagesTable;
}

/** What administrators did, the newest rows only. */
export interface AuditLogTable {
  /** Ordered by time. */
  id: string;
  at: number;
  /** Null for what the server did by itself. May name an account that is gone. */
  user_id: string | null;
  /** As it was then. */
  username: string;
  /** How they had proven who they are, as `Viewer.via` says it. */
  via: string;
  /** What was done, such as `settings.change`. */
  action: string;
  /** `ok`, or the code of the error with which it was refused. */
  outcome: string;
  /** JSON object; no secrets. */
  details: string;
}

export interface UsersTable {
  id: string;
  /** As written at registration. */
  username: string;
  /** Lower case and NFKC of `username`: unique. */
  username_key: string;
  email: string | null;
  name: string | null;
  /** argon2id in PHC form; null for the owner until claimed. */
  password_hash: string | null;
  role: 'owner' | 'admin' | 'user';
  /** Tokens issued before this time are refused. */
  tokens_valid_from: number;
  /** The last number given to a conversation of this user. */
  last_conversation_number: number;
  /** The current conversation in dialects that have only one (friend). */
  current_conversation_id: string | null;
  created_at: number;
  disabled_at: number | null;
}

/** Sign-in tokens, one row each, so that they can be listed and revoked. */
export interface TokensTable {
  /** `jti` of the token. */
  id: string;
  user_id: string;
  /** JSON array of scopes. */
  scopes: string;
  /** What the sign-in said of itself (User-Agent, cut to 200 characters). */
  client: string | null;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
  /** When it was used last, to the minute; null when it never was. */
  last_used_at: number | null;
  /** The token, API key or OAuth grant that it was made with, and ends with; null for a sign-in of its own. */
  origin_id: string | null;
}

export interface ApiKeysTable {
  id: string;
  user_id: string;
  name: string;
  /** The first 12 characters, to tell keys apart. */
  prefix: string;
  /** SHA-256 of the whole key, hex: unique. The key is 256 random bits, so a fast hash is enough. */
  hash: string;
  scopes: string;
  created_at: number;
  last_used_at: number | null;
  expires_at: number | null;
  revoked_at: number | null;
}

/** Keys of users for model services, encrypted with the user and provider as associated data. */
export interface ProviderKeysTable {
  user_id: string;
  provider: string;
  ciphertext: string;
  /** The last 4 characters, to show. */
  hint: string;
  created_at: number;
}

export interface InvitesTable {
  /** SHA-256 of the code, hex. */
  code_hash: string;
  created_by: string;
  role: 'admin' | 'user';
  created_at: number;
  expires_at: number;
  used_by: string | null;
}

/** Programs that may ask for access (OAuth 2.0). They are public clients: none of them has a secret. */
export interface OauthClientsTable {
  /** `client_id`, as the administrator named it. */
  id: string;
  /** For people. */
  name: string;
  /** JSON array of the OAuth scopes that it may ask for. */
  scopes: string;
  created_by: string;
  created_at: number;
}

/** A program that waits for somebody's approval (RFC 8628). */
export interface OauthRequestsTable {
  id: string;
  client_id: string;
  /** SHA-256, hex. */
  device_code_hash: string;
  /** SHA-256 of the code without its hyphen, hex. */
  user_code_hash: string;
  /** JSON array of the OAuth scopes that would be granted. */
  scopes: string;
  /** What the program says of its device, JSON object. */
  device: string;
  state: 'waiting' | 'approved' | 'denied' | 'used';
  /** Who decided. */
  user_id: string | null;
  /** Least milliseconds between two questions of the program. */
  interval_ms: number;
  /** When it asked last. */
  polled_at: number | null;
  created_at: number;
  expires_at: number;
}

/** What somebody has granted to a program. */
export interface OauthGrantsTable {
  id: string;
  client_id: string;
  user_id: string;
  /** JSON array of the OAuth scopes. */
  scopes: string;
  /** What the program said of its device, JSON object. */
  device: string;
  created_at: number;
  last_used_at: number;
  expires_at: number;
  revoked_at: number | null;
}

/** Each can be used once; its use makes the next one. */
export interface OauthRefreshTokensTable {
  /** SHA-256, hex. */
  hash: string;
  grant_id: string;
  created_at: number;
  /** Kept when used, so that a second use is noticed. */
  used_at: number | null;
}

export interface SettingsTable {
  key: string;
  value: string;
}

export interface ConversationsTable {
  id: string;
  owner_id: string;
  /** 1, 2, 3, ... for each owner. */
  number: number;
  title: string;
  /** Who made the title: a model never replaces a person's. */
  title_source: 'default' | 'first-message' | 'model' | 'user';
  description: string | null;
  type: 'DIRECT' | 'GROUP' | 'CHANNEL';
  model: string | null;
  persona: string | null;
  system_prompt: string | null;
  temperature: number | null;
  max_tokens: number | null;
  /** Other sampling settings, JSON. */
  parameters: string;
  is_private: number;
  /** JSON array, or null. */
  tags: string | null;
  /** The free label of older forms (ultimate's `user_id`). Never an identity. */
  label: string | null;
  /** The dialect that made it. */
  origin: string;
  /** The message at the end of the shown path; null while empty. */
  head_id: string | null;
  /** `path_hash` of the head, or the hash of the system prompt while empty; null while the head is being answered. */
  head_hash: string | null;
  /** The last `seq` given to a message of it. */
  last_seq: number;
  created_at: number;
  last_activity_at: number;
  archived_at: number | null;
  /** When it was put into the trash, milliseconds since the epoch; null when it is not there. */
  trashed_at: number | null;
  /** The chat profile that answered last, or was chosen at its beginning; null where none was. */
  profile: string | null;
  /** 1: nothing branches in it. */
  is_linear: number;
}

export interface ParticipantsTable {
  conversation_id: string;
  user_id: string;
  role: 'OWNER' | 'ADMIN' | 'MEMBER';
  can_send_messages: number;
  can_upload_files: number;
  message_count: number;
  joined_at: number;
  last_read_at: number | null;
  /** When this participant pinned the conversation; null when it is not pinned. */
  pinned_at: number | null;
}

export interface MessagesTable {
  id: string;
  conversation_id: string;
  /** The message it follows on its branch; null for the first. */
  parent_id: string | null;
  /** 1, 2, 3, ... over all branches of the conversation, in the order of making. */
  seq: number;
  /** Messages on the path from the root to this one, itself included. */
  depth: number;
  role: 'user' | 'assistant' | 'system' | 'tool';
  /** The user who wrote it; null for the model's. */
  sender_id: string | null;
  content: string;
  reasoning: string | null;
  /** Tool calls (assistant) or the answered call (tool), JSON. */
  tools: string | null;
  status: 'QUEUED' | 'PROCESSING' | 'DELIVERED' | 'CANCELLED' | 'FAILED' | 'INTERRUPTED';
  reply_to_id: string | null;
  /** The message that this one replaces on a branch beside it (edit, regenerate, continue). */
  replaces_id: string | null;
  /** Whether this is an edit of `replaces_id`. */
  is_edited: number;
  /** What the sender attached, JSON object. */
  metadata: string | null;
  /** Given by the sender so that sending twice stores once: unique for each sender. */
  idempotency_key: string | null;
  /** SHA-256 over the parent's hash, role and content, hex: equal paths have equal hashes. Null until the message ended. */
  path_hash: string | null;
  /** The model that spoke, as `provider/model`. */
  model: string | null;
  tokens_in: number | null;
  tokens_out: number | null;
  tokens_reasoning: number | null;
  tokens_cached: number | null;
  /** Micro-dollars (1e-6 USD), by the dated price table; null when the price is not known. */
  cost_micros: number | null;
  time_to_first_token_ms: number | null;
  /** From the request to the model to its last event. */
  duration_ms: number | null;
  finish_reason: 'stop' | 'length' | 'tool' | 'content_filter' | null;
  /** Geometric mean of the token probabilities where the model gives them, 0 to 1. */
  confidence: number | null;
  error_code: string | null;
  error_message: string | null;
  created_at: number;
  ended_at: number | null;
}

/**
 * Pictures that were sent with messages, apart from them: who reads a conversation does not read its pictures. What is
 * known of each, and those that are only named by their address, stand in `messages.metadata`.
 */
export interface MessagePicturesTable {
  message_id: string;
  /** 0, 1, 2, ... among the pictures of the message; those named by their address have no row. */
  position: number;
  /** Base64. */
  content: string;
}

/** One row for each answer that is waiting or being made; deleted when it has ended. */
export interface TurnsTable {
  message_id: string;
  conversation_id: string;
  user_id: string;
  state: 'QUEUED' | 'RUNNING';
  /** Order among the waiting ones of a conversation. */
  position: number;
  /** The instance that holds the lease; null while QUEUED. */
  owner: string | null;
  /** Grows by one at each taking of the lease. */
  epoch: number;
  /** Database clock; past it the owner is taken for dead. */
  lease_until: number | null;
  /** Model, parameters and the text kept from a continued answer, JSON. */
  request: string;
  /** Set when someone asked to cancel while another instance runs it. */
  cancel_requested: number;
  created_at: number;
}

export interface TurnLogTable {
  message_id: string;
  seq: number;
  kind: string;
  body: string;
  text_offset: number;
}

/** One row for each call of a model, stored or not. Deleting a conversation keeps it. */
export interface UsageTable {
  id: string;
  user_id: string;
  api_key_id: string | null;
  message_id: string | null;
  dialect: string;
  kind: 'chat' | 'embedding' | 'image';
  model: string;
  tokens_in: number | null;
  tokens_out: number | null;
  cost_micros: number | null;
  duration_ms: number | null;
  time_to_first_token_ms: number | null;
  outcome: 'DELIVERED' | 'CANCELLED' | 'FAILED' | 'INTERRUPTED';
  created_at: number;
  /**
   * What the call counts against budgets where its own tokens are not known (it was cancelled, or broke off): an estimate
   * from the prompt and what was said. Null where they are known, and where no budget covered the call.
   */
  charged_tokens: number | null;
  /** The same for its cost, in micro-dollars. */
  charged_micros: number | null;
}

/** What a user or an API key may use in each day or month. Null in a column: no bound of this kind. */
export interface BudgetsTable {
  subject: 'user' | 'key';
  /** Id of the user or of the API key. */
  subject_id: string;
  period: 'day' | 'month';
  /** The user, or the user whose key it is. */
  user_id: string;
  requests: number | null;
  /** Sent and made together. */
  tokens: number | null;
  /** Micro-dollars (1e-6 USD). */
  cost_micros: number | null;
  changed_at: number;
}

/**
 * What a subject with a budget has used in the present period: the sum of its usage rows, kept in step with them so that
 * a check need not add them up.
 */
export interface BudgetCountersTable {
  subject: 'user' | 'key';
  subject_id: string;
  period: 'day' | 'month';
  user_id: string;
  /** Begin of the period that is counted, and of the one behind it. */
  period_start: number;
  period_end: number;
  requests: number;
  tokens: number;
  cost_micros: number;
  /** From this time on the usage rows are to be added up once more before the counter is believed; null for never. */
  recount_at: number | null;
}

/** What a call under way may use; deleted when it has ended. */
export interface BudgetReservationsTable {
  /** Of the answer's message, or of a call that is not kept. */
  id: string;
  user_id: string;
  api_key_id: string | null;
  tokens_in: number;
  tokens_out: number;
  cost_micros: number;
  /** The instance that made it. */
  owner: string;
  /** Database clock. Past it the call is taken for dead, unless a turn of this id is still there. */
  expires_at: number;
}

export interface JobsTable {
  id: string;
  kind: string;
  user_id: string | null;
  /** JSON. */
  payload: string;
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  /** Unique while set: a second job of the same key is not made. */
  dedup_key: string | null;
  /** Greater runs first. */
  priority: number;
  attempts: number;
  max_attempts: number;
  /** Not before this time. */
  run_at: number;
  owner: string | null;
  lease_until: number | null;
  /** 0 to 1; null while not known. */
  progress: number | null;
  /** What the handler notes to go on from after a break, and shows, JSON. */
  note: string | null;
  result: string | null;
  error: string | null;
  cancel_requested: number;
  created_at: number;
  ended_at: number | null;
}

/** One row for each conversation whose parties are two agents. Its id is that of the conversation, and it goes with it. */
export interface AgentSessionsTable {
  conversation_id: string;
  owner_id: string;
  status: 'active' | 'ended';
  started_at: number;
  ended_at: number | null;
  /** Replies that models have begun in it. */
  turns: number;
  /** Most of them. */
  most_turns: number;
  /** Most messages of agents in a row, without one of a person, behind which no more is triggered. */
  most_depth: number;
  /** Milliseconds from the start after which no reply is begun. */
  most_ms: number;
  /** Micro-dollars (1e-6 USD) of all replies from which on none is begun. */
  most_cost_micros: number;
  /** The last time the agents were let talk by themselves; null when they never were. */
  run_id: string | null;
  run_state: 'running' | 'paused' | 'ended' | null;
  /** Replies that the run may make. */
  run_turns: number;
  /** Why it has ended, or is paused; null while it goes on. */
  run_reason: string | null;
}

/** The two agents of a session. */
export interface SessionAgentsTable {
  conversation_id: string;
  /** 1 is the owner's. */
  place: 1 | 2;
  /** `shard.realm.num`, without checksum. */
  account_id: string;
  role: string;
  /** As asked for (`provider/model` or a bare name); null means the default model. */
  model: string | null;
  prompt: string | null;
}

/** Keys that sign transcripts and the log. Old ones stay, without their private half, so that what they signed can be checked. */
export interface LedgerKeysTable {
  /** Derived from the public key. */
  id: string;
  /** The 32 bytes of an Ed25519 public key (RFC 8032), base64url. */
  public_key: string;
  /** PKCS #8, encrypted; null when the key was retired. */
  private_key: string | null;
  created_at: number;
  retired_at: number | null;
}

/** The append-only log: one row for each sealed transcript, which also is the signed head of the log as far as this row. */
export interface LedgerLogTable {
  /** 0, 1, 2, ... without gaps. */
  position: number;
  transcript_id: string;
  /** SHA-256 of the leaf, hex. */
  leaf_hash: string;
  /** Database clock; never less than in the row before. */
  logged_at: number;
  /** Root of the tree over all rows as far as this one, hex. */
  root_hash: string;
  key_id: string;
  /** Ed25519 over the head, base64url. */
  signature: string;
}

/** Hashes of the log's tree above its leaves, of full subtrees only: they never change. */
export interface LedgerNodesTable {
  /** 1 is over two leaves, 2 over four, ... */
  level: number;
  /** 0, 1, 2, ... from the left within the level. */
  position: number;
  /** Hex. */
  hash: string;
}

/** Sealed transcripts; each goes with its owner, and its row in the log stays. */
export interface LedgerTranscriptsTable {
  id: string;
  owner_id: string;
  /** Canonical JSON. */
  body: string;
}

/** What became of handing a transcript over to another ledger. */
export interface LedgerAnchorsTable {
  transcript_id: string;
  anchor: string;
  state: 'pending' | 'partial' | 'done' | 'failed';
  /** What the anchor notes to go on from, JSON. */
  progress: string;
  /** Why it is not done, for a person. */
  problem: string | null;
  attempts: number;
  /** Who submits at present; null when nobody does. */
  owner: string | null;
  lease_until: number | null;
  changed_at: number;
}

/** Runs of pipelines. Rows stay when what was said in them is forgotten: figures count them. */
export interface PipelineRunsTable {
  id: string;
  owner_id: string;
  /** The job that does it; null once what it was is forgotten. */
  job_id: string | null;
  /** The key of Parley's own that it was begun with: its budget pays. */
  api_key_id: string | null;
  kind: 'sequential' | 'parallel' | 'streaming';
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  /** Empty when it is forgotten. */
  input: string;
  output: string | null;
  error_code: string | null;
  error_message: string | null;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
  /** Milliseconds from its first start to its end, those included in which a server was down. */
  duration_ms: number | null;
  is_forgotten: 0 | 1;
}

/** Stages of a run, by their place in it. */
export interface PipelineStagesTable {
  run_id: string;
  /** 0, 1, 2, ... */
  place: number;
  /** JSON object: what is asked of which model. */
  definition: string;
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled' | 'skipped';
  /** How often it was begun: more than once when a server ended meanwhile. */
  attempt: number;
  /** Null until it is done. */
  output: string | null;
  /** `provider/model` that spoke. */
  model: string | null;
  /** Calls of the model. */
  calls: number;
  /** Of all calls; null when one of them did not say. */
  tokens_in: number | null;
  tokens_out: number | null;
  started_at: number | null;
  ended_at: number | null;
  duration_ms: number | null;
  /** Milliseconds to its first piece of text. */
  first_text_ms: number | null;
  error_code: string | null;
  error_message: string | null;
}
