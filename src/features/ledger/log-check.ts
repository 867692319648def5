import type { LedgerLogTable, Storage } from '../../base/storage/index.ts';
import { grow, unsignedHeadOf, type GrownNode } from './log.ts';
import type { Seal, TrustedKey } from './types.ts';
import { bytesOfHex, hexOf, isSigned, leafOf } from './verify/index.ts';

const pageRows = 500;
/** Most findings that are told: a log that is wrong from some place on is wrong everywhere behind it. */
const mostFindings = 20;

/** Computes the log anew from its leaves: places without gap, times in order, roots, signatures, kept hashes and kept seals. */
export async function checkLog(storage: Storage, ledger: string, keys: readonly TrustedKey[]): Promise<string[]> {
  const findings: string[] = [];
  let frontier: GrownNode[] = [];
  let expected = 0;
  let time = 0;
  for (;;) {
    const rows = await storage.read.selectFrom('ledger_log').selectAll().where('position', '>=', expected).orderBy('position').limit(pageRows).execute();
    for (const row of rows) {
      if (row.position !== expected) return [...findings, `The entry ${expected} is missing: the log goes on with ${row.position}.`];
      const grown = grow(frontier.map(({ hash }) => hash), frontier, { size: expected, leaf: bytesOfHex(row.leaf_hash) });
      findings.push(...(await wrongsOf(row, hexOf(grown.root), time, ledger, keys)), ...(await wrongNodes(storage, grown.nodes)), ...(await wrongBody(storage, row)));
      if (findings.length >= mostFindings) return findings;
      frontier = grown.frontier;
      time = row.logged_at;
      expected += 1;
    }
    if (rows.length < pageRows) return findings;
  }
}

async function wrongsOf(row: LedgerLogTable, root: string, timeBefore: number, ledger: string, keys: readonly TrustedKey[]): Promise<string[]> {
  const wrongs: string[] = [];
  if (row.root_hash !== root) wrongs.push(`The root at entry ${row.position} is not the one that the leaves give.`);
  if (row.logged_at < timeBefore) wrongs.push(`The entry ${row.position} is older than the one before.`);
  const key = keys.find(({ id }) => id === row.key_id);
  if (!key || !(await isSigned('log head', unsignedHeadOf(row, ledger), key.public_key, row.signature))) wrongs.push(`The head at entry ${row.position} is not signed by a key of this server.`);
  return wrongs;
}

async function wrongNodes(storage: Storage, nodes: readonly GrownNode[]): Promise<string[]> {
  const wrongs: string[] = [];
  for (const { level, position, hash } of nodes) {
    const kept = await storage.read.selectFrom('ledger_nodes').select('hash').where('level', '=', level).where('position', '=', position).executeTakeFirst();
    if (kept?.hash !== hexOf(hash)) wrongs.push(`The kept hash of the subtree ${position} at level ${level} is not the one that the leaves give.`);
  }
  return wrongs;
}

/** A transcript that is still kept must be the one that was entered. */
async function wrongBody(storage: Storage, { position, transcript_id, leaf_hash }: LedgerLogTable): Promise<string[]> {
  const kept = await storage.read.selectFrom('ledger_transcripts').select('body').where('id', '=', transcript_id).executeTakeFirst();
  if (!kept) return [];
  const { seal } = JSON.parse(kept.body) as { seal: Seal };
  return hexOf(leafOf(seal)) === leaf_hash ? [] : [`The kept transcript ${transcript_id} is not the one that was entered at ${position}.`];
}
