import { isoTime, type Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { databaseTime, type LedgerLogTable, type Queries, type Storage, type WriteQueries } from '../../base/storage/index.ts';
import { signValue, type SigningKey } from './signing.ts';
import type { LogProof, SignedHead, Witness } from './types.ts';
import { bytesOfHex, consistencyRanges, foldSubtrees, hexOf, inclusionRanges, nodeHash, subtreesOf, unsignedHead, type Hash, type LeafRange, type Subtree } from './verify/index.ts';

/** A moment in which nobody else changes the log. */
export interface LogMoment {
  /** Id of the log. */
  ledger: string;
  /** Entries so far. */
  size: number;
  /** Milliseconds since the epoch by the clock of the database; never before the last entry. */
  now: number;
}

/** The append-only log in the database. */
export interface TranscriptLog {
  /** Makes the id of the log, when it has none. */
  start(): Promise<void>;
  id(): Promise<string>;
  /** Holds up every other writer of the log, in this process and in others, until the transaction ends. */
  hold(queries: WriteQueries): Promise<LogMoment>;
  /** Adds a leaf and signs the new head. Call it once in a transaction that holds the log. */
  append(queries: WriteQueries, moment: LogMoment, entry: { transcriptId: string; leaf: Hash }, key: SigningKey): Promise<void>;
  /** The newest head; null while the log is empty. */
  head(): Promise<SignedHead | null>;
  /** Where a transcript stands, with the proof that leads to the newest head; null when it is not there. */
  proof(transcriptId: string): Promise<LogProof | null>;
  /** @throws {ParleyError} `invalid_request` */
  witness(size: number | undefined): Promise<Witness | null>;
}

const idRow = 'ledger_id';

export function createTranscriptLog({ storage, clock }: { storage: Storage; clock: Clock }): TranscriptLog {
  const id = async (): Promise<string> => (await storage.read.selectFrom('settings').select('value').where('key', '=', idRow).executeTakeFirstOrThrow()).value;
  const newest = () => storage.read.selectFrom('ledger_log').selectAll().orderBy('position', 'desc').limit(1).executeTakeFirst();
  return {
    id,
    async start() {
      await storage.write((queries) => queries.insertInto('settings').values({ key: idRow, value: newId() }).onConflict((conflict) => conflict.column('key').doNothing()).execute());
    },
    async hold(queries) {
      // The row of the id is the lock. On PostgreSQL what is read behind it is what others have committed.
      const { value: ledger } = await queries.selectFrom('settings').select('value').where('key', '=', idRow).forUpdate().executeTakeFirstOrThrow();
      const last = await queries.selectFrom('ledger_log').select(['position', 'logged_at']).orderBy('position', 'desc').limit(1).executeTakeFirst();
      const { now } = await queries.selectNoFrom(databaseTime(storage.engine, clock).as('now')).executeTakeFirstOrThrow();
      return { ledger, size: (last?.position ?? -1) + 1, now: Math.max(Number(now), last?.logged_at ?? 0) };
    },
    async append(queries, { ledger, size, now }, { transcriptId, leaf }, key) {
      const grown = grow(await hashesOf(queries, subtreesOf({ from: 0, to: size })), subtreesOf({ from: 0, to: size }), { size, leaf });
      const unsigned = { ledger, size: size + 1, root: hexOf(grown.root), time: isoTime(now), key: key.id };
      const row = { position: size, transcript_id: transcriptId, leaf_hash: hexOf(leaf), logged_at: now, root_hash: unsigned.root, key_id: key.id, signature: signValue('log head', unsigned, key.privateKey) };
      await queries.insertInto('ledger_log').values(row).execute();
      if (grown.nodes.length > 0) await queries.insertInto('ledger_nodes').values(grown.nodes.map(({ hash, ...node }) => ({ ...node, hash: hexOf(hash) }))).execute();
    },
    async head() {
      const row = await newest();
      return row ? headOf(row, await id()) : null;
    },
    async proof(transcriptId) {
      const row = await storage.read.selectFrom('ledger_log').selectAll().where('transcript_id', '=', transcriptId).executeTakeFirst();
      const last = await newest();
      if (!row || !last) return null;
      const inclusion = await rangesOf(storage.read, inclusionRanges(row.position, last.position + 1));
      return { index: row.position, leaf: row.leaf_hash, logged_at: isoTime(row.logged_at), head: headOf(last, await id()), inclusion };
    },
    async witness(size) {
      const last = await newest();
      if (!last) return null;
      const head = headOf(last, await id());
      if (size === undefined) return { format: 'parley-ledger-witness', version: 1, head, other: null, consistency: [] };
      const then = await storage.read.selectFrom('ledger_log').selectAll().where('position', '=', size - 1).executeTakeFirst();
      if (!then) throw new ParleyError('invalid_request', { message: `The log has ${head.size} entries; there was no head of ${size}.`, parameter: 'size' });
      return { format: 'parley-ledger-witness', version: 1, head, other: headOf(then, head.ledger), consistency: await rangesOf(storage.read, consistencyRanges(size, head.size)) };
    },
  };
}

/** A row of the log as the signed head that it is. */
export function headOf({ position, root_hash, logged_at, key_id, signature }: LedgerLogTable, ledger: string): SignedHead {
  return { ledger, size: position + 1, root: root_hash, time: isoTime(logged_at), key: key_id, signature };
}

/** What of a row is signed. */
export function unsignedHeadOf(row: LedgerLogTable, ledger: string): Omit<SignedHead, 'signature'> {
  return unsignedHead(headOf(row, ledger));
}

export interface GrownNode extends Subtree {
  hash: Hash;
}

/**
 * The tree with one leaf more, from the full subtrees it had: its root, and the full subtrees above the leaves that this
 * leaf completes.
 */
export function grow(hashes: readonly Hash[], subtrees: readonly Subtree[], { size, leaf }: { size: number; leaf: Hash }): { root: Hash; frontier: GrownNode[]; nodes: GrownNode[] } {
  const frontier: GrownNode[] = subtrees.map((subtree, index) => ({ ...subtree, hash: hashes[index]! }));
  frontier.push({ level: 0, position: size, hash: leaf });
  const nodes: GrownNode[] = [];
  for (;;) {
    const [left, right] = frontier.slice(-2);
    if (!left || !right || left.level !== right.level) break;
    const node = { level: left.level + 1, position: left.position / 2, hash: nodeHash(left.hash, right.hash) };
    frontier.splice(-2, 2, node);
    nodes.push(node);
  }
  return { root: foldSubtrees(frontier.map(({ hash }) => hash)), frontier, nodes };
}

/** Hashes of ranges of leaves, hex. */
async function rangesOf(queries: Queries, ranges: readonly LeafRange[]): Promise<string[]> {
  const parts = ranges.map((range) => subtreesOf(range));
  const hashes = await hashesOf(queries, parts.flat());
  let at = 0;
  return parts.map((part) => hexOf(foldSubtrees(hashes.slice(at, (at += part.length)))));
}

/** The kept hashes of full subtrees, in their order. */
async function hashesOf(queries: Queries | WriteQueries, subtrees: readonly Subtree[]): Promise<Hash[]> {
  const known = new Map<string, string>();
  const leaves = subtrees.filter(({ level }) => level === 0).map(({ position }) => position);
  if (leaves.length > 0) {
    const rows = await queries.selectFrom('ledger_log').select(['position', 'leaf_hash']).where('position', 'in', leaves).execute();
    for (const { position, leaf_hash } of rows) known.set(`0.${position}`, leaf_hash);
  }
  const above = subtrees.filter(({ level }) => level > 0);
  if (above.length > 0) {
    const rows = await queries.selectFrom('ledger_nodes').selectAll()
      .where((expression) => expression.or(above.map(({ level, position }) => expression.and([expression('level', '=', level), expression('position', '=', position)])))).execute();
    for (const { level, position, hash } of rows) known.set(`${level}.${position}`, hash);
  }
  return subtrees.map(({ level, position }) => {
    const hash = known.get(`${level}.${position}`);
    if (hash === undefined) throw new ParleyError('internal', { cause: new Error(`The log of transcripts has no hash of the subtree ${position} at level ${level}: its rows were damaged. \`parley ledger check\` says where.`) });
    return bytesOfHex(hash);
  });
}
