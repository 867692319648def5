import { hash } from 'node:crypto';
import { sql } from 'kysely';
import type { ParticipantsTable, Queries } from '../../../base/storage/index.ts';
import { participantRows, toParticipant } from './participants.ts';
import type { ConversationEvent } from '../types.ts';

type Shown = Pick<ParticipantsTable, 'user_id' | 'role' | 'can_send_messages' | 'can_upload_files' | 'joined_at'>;

const shownColumns = ['user_id', 'role', 'can_send_messages', 'can_upload_files', 'joined_at'] as const;

/** Who takes part in a conversation, and how, as it was told last to those who watch it. */
export class Attendance {
  private readonly conversationId: string;
  /** What was told of each, by user. */
  private seen = new Map<string, string>();
  private seenHash: string | null | undefined;

  constructor(conversationId: string) {
    this.conversationId = conversationId;
  }

  async begin(queries: Queries): Promise<void> {
    const rows = await queries.selectFrom('participants').select(shownColumns).where('conversation_id', '=', this.conversationId).execute();
    this.take(rows);
  }

  /** What has changed since it was told last. Leaving comes first; who left and came back has done both. */
  async compare(queries: Queries): Promise<ConversationEvent[]> {
    const before = this.seen;
    const rows = await participantRows(queries, this.conversationId).execute();
    this.take(rows);
    const cameBack = (row: Shown): boolean => before.has(row.user_id) && joinedAt(before.get(row.user_id)!) !== row.joined_at;
    const back = rows.filter(cameBack);
    const left = [...[...before.keys()].filter((userId) => !this.seen.has(userId)), ...back.map((row) => row.user_id)];
    const names = left.length === 0 ? [] : await queries.selectFrom('users').select(['id', 'username']).where('id', 'in', left).execute();
    const nameOf = new Map(names.map(({ id, username }) => [id, username]));
    const joined = rows.filter((row) => !before.has(row.user_id) || back.includes(row));
    const changed = rows.filter((row) => before.has(row.user_id) && !back.includes(row) && before.get(row.user_id) !== stateOf(row));
    return [
      // An account that was deleted has no name any more.
      ...left.map((userId) => ({ type: 'participant_left' as const, userId, username: nameOf.get(userId) ?? '' })),
      ...joined.map((row) => ({ type: 'participant_joined' as const, participant: toParticipant(row) })),
      ...changed.map((row) => ({ type: 'participant_changed' as const, participant: toParticipant(row) })),
    ];
  }

  /** What `attendanceHashes` gives for rows like those told last; null for none. Made when it is asked for. */
  get hash(): string | null {
    if (this.seenHash === undefined) {
      const states = [...this.seen].sort(([one], [other]) => (one < other ? -1 : 1)).map(([userId, state]) => `${userId} ${state}`);
      this.seenHash = states.length === 0 ? null : hash('sha256', states.join(','));
    }
    return this.seenHash;
  }

  private take(rows: readonly Shown[]): void {
    this.seen = new Map(rows.map((row) => [row.user_id, stateOf(row)]));
    this.seenHash = undefined;
  }
}

function stateOf(row: Shown): string {
  return `${row.role} ${row.can_send_messages} ${row.can_upload_files} ${row.joined_at}`;
}

function joinedAt(state: string): number {
  return Number(state.slice(state.lastIndexOf(' ') + 1));
}

/** The same for many conversations at once, in the database, so that not every row travels each time. PostgreSQL only. */
export async function attendanceHashes(queries: Queries, conversationIds: readonly string[]): Promise<Map<string, string>> {
  const rows = await queries
    .selectFrom('participants')
    .select([
      'conversation_id',
      sql<string>`encode(sha256(convert_to(string_agg(concat_ws(' ', user_id, role, can_send_messages, can_upload_files, joined_at), ',' order by user_id collate "C"), 'UTF8')), 'hex')`.as('hash'),
    ])
    .where('conversation_id', 'in', [...conversationIds])
    .groupBy('conversation_id')
    .execute();
  return new Map(rows.map((row) => [row.conversation_id, row.hash]));
}
