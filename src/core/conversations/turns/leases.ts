import type { Clock } from '../../../base/clock.ts';
import { databaseTime, type Storage, type TurnsTable } from '../../../base/storage/index.ts';
import { lockConversation } from '../access.ts';
import { leaseMs, type HeldTurn, type TurnRequest } from './request.ts';

/** What became of a lease that was to be renewed. */
export interface Renewed {
  epoch: number;
  /** Whether someone asked to cancel the turn through another instance. */
  isCancelled: boolean;
}

/**
 * Renews the leases of turns that run here, by the database's clock; gives those that this instance still holds. In one
 * order, as the log is appended to, so that the two never wait for each other in a circle. One statement on the urgent
 * way: neither slow queries nor transactions that wait for a lock may keep it from its time.
 */
export async function renewLeases(storage: Storage, clock: Clock, instanceId: string, messageIds: readonly string[]): Promise<Map<string, Renewed>> {
  const renewed = await storage.urgent
    .with('held', (query) =>
      query.selectFrom('turns').select('message_id as held_id').where('owner', '=', instanceId).where('message_id', 'in', [...messageIds]).where('state', '=', 'RUNNING').orderBy('message_id').forUpdate(),
    )
    .updateTable('turns')
    .from('held')
    .set({ lease_until: databaseTime(storage.engine, clock, leaseMs) })
    .whereRef('turns.message_id', '=', 'held.held_id')
    .returning(['turns.message_id', 'turns.epoch', 'turns.cancel_requested'])
    .execute();
  return new Map(renewed.map((row) => [row.message_id, { epoch: row.epoch, isCancelled: row.cancel_requested === 1 }]));
}

/** Puts a turn that has not begun back to those that wait, for whoever looks next. False when the lease is not held any more. */
export async function giveBackTurn(storage: Storage, turn: HeldTurn): Promise<boolean> {
  return storage.write(async (queries) => {
    await lockConversation(storage, queries, turn.conversationId);
    const given = await queries
      .updateTable('turns')
      .set({ state: 'QUEUED', owner: null, lease_until: null, epoch: turn.epoch + 1 })
      .where('message_id', '=', turn.messageId)
      .where('epoch', '=', turn.epoch)
      .where('state', '=', 'RUNNING')
      .executeTakeFirst();
    if (Number(given.numUpdatedRows) === 0) return false;
    await queries.updateTable('messages').set({ status: 'QUEUED' }).where('id', '=', turn.messageId).execute();
    return true;
  });
}

/** Running turns that somebody should look after: their lease has run out, or they are said to run here. */
export async function turnsToLookAt(storage: Storage, clock: Clock, instanceId: string): Promise<(TurnsTable & { is_expired: boolean })[]> {
  const rows = await storage.read
    .selectFrom('turns')
    .selectAll()
    .select((builder) => builder('lease_until', '<', databaseTime(storage.engine, clock)).as('is_expired'))
    .where('state', '=', 'RUNNING')
    .where((builder) => builder.or([builder('owner', '=', instanceId), builder('lease_until', '<', databaseTime(storage.engine, clock))]))
    .execute();
  return rows.map((row) => ({ ...row, is_expired: Boolean(row.is_expired) }));
}

/** Running turns of other processes on SQLite: the data folder has one server, so they are dead. */
export async function turnsOfOthers(storage: Storage, instanceId: string): Promise<TurnsTable[]> {
  return storage.read.selectFrom('turns').selectAll().where('state', '=', 'RUNNING').where('owner', '!=', instanceId).execute();
}

/** A turn's row as a lease held under this epoch. */
export function heldTurn(row: TurnsTable, epoch = row.epoch): HeldTurn {
  return { messageId: row.message_id, conversationId: row.conversation_id, userId: row.user_id, epoch, request: JSON.parse(row.request) as TurnRequest };
}
