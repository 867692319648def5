import type { Schema } from '../schema.ts';

/**
 * Every table with the columns that order its rows, in the order in which tables are filled: whatever a row names by a
 * foreign key comes before it. The columns are unique together, and both engines order them alike (text byte by byte), so
 * that rows are read in the same order everywhere.
 *
 * A table that is missing here would be left behind by `parley move`: the type refuses it, and a test holds the list to
 * the tables that the migrations make.
 */
export const movedTables: Readonly<Record<keyof Schema, readonly string[]>> = {
  users: ['id'],
  settings: ['key'],
  tokens: ['id'],
  api_keys: ['id'],
  provider_keys: ['user_id', 'provider'],
  invites: ['code_hash'],
  oauth_clients: ['id'],
  oauth_requests: ['id'],
  oauth_grants: ['id'],
  oauth_refresh_tokens: ['hash'],
  conversations: ['id'],
  participants: ['conversation_id', 'user_id'],
  // A message follows one of a lower seq in the same conversation.
  messages: ['conversation_id', 'seq'],
  message_pictures: ['message_id', 'position'],
  turns: ['message_id'],
  turn_log: ['message_id', 'seq'],
  usage: ['id'],
  budgets: ['subject', 'subject_id', 'period'],
  budget_counters: ['subject', 'subject_id', 'period'],
  budget_reservations: ['id'],
  jobs: ['id'],
  ledger_keys: ['id'],
  ledger_log: ['position'],
  ledger_nodes: ['level', 'position'],
  ledger_transcripts: ['id'],
  ledger_anchors: ['transcript_id', 'anchor'],
  agent_sessions: ['conversation_id'],
  session_agents: ['conversation_id', 'place'],
  audit_log: ['id'],
  pipeline_runs: ['id'],
  pipeline_stages: ['run_id', 'place'],
};

/** The one table that is not moved: which migrations a database has had is its own history. */
export const historyTable = 'applied_migrations';
