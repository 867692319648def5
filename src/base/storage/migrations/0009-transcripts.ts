import type { Migration } from './migration.ts';

/** What became of the transcript of a session stands in `ledger_anchors` alone. */
export const transcripts: Migration = {
  name: '0009-transcripts',
  async up(database) {
    await database.schema.alterTable('agent_sessions').dropColumn('transcript_state').execute();
    await database.schema.alterTable('agent_sessions').dropColumn('transcript_transactions').execute();
  },
};
