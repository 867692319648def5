import type { TranscriptLog } from '../log.ts';
import type { LogProof, SealedTranscript } from '../types.ts';
import { bytesOfHex, hexOf, leafOf, rootByInclusion } from '../verify/index.ts';
import type { Anchor } from './anchor.ts';

/** The log of this server's own database: always there, and every transcript is in it since it was sealed. */
export function createLocalAnchor(log: Pick<TranscriptLog, 'proof'>): Anchor {
  const name = 'log';
  return {
    name,
    timeoutMs: 10_000,
    status: () => ({ name, state: 'ready', problem: null }),
    async submit(sealed) {
      const proof = await log.proof(sealed.seal.statement.session);
      const progress = { ledger: sealed.seal.statement.ledger };
      return holds(sealed, proof) ? { state: 'done', progress, problem: null } : { state: 'failed', progress, problem: 'This transcript was not sealed here.' };
    },
    describe: ({ ledger }) => ({ place: String(ledger), transactions: [], parts: 1 }),
    async check(sealed) {
      const proof = await log.proof(sealed.seal.statement.session);
      if (!proof) return { anchor: name, outcome: 'missing', problem: 'The log has no entry of this session.', at: null };
      if (!holds(sealed, proof)) return { anchor: name, outcome: 'different', problem: `The entry ${proof.index} of the log is another transcript of this session.`, at: proof.logged_at };
      return { anchor: name, outcome: 'same', problem: null, at: proof.logged_at };
    },
    stop: async () => undefined,
  };
}

/** Whether the log has this very seal, and its own hashes lead to its head. */
function holds({ seal }: SealedTranscript, proof: LogProof | null): boolean {
  const leaf = leafOf(seal);
  if (proof?.leaf !== hexOf(leaf) || proof.head.ledger !== seal.statement.ledger) return false;
  const root = rootByInclusion(leaf, proof.index, proof.head.size, proof.inclusion.map(bytesOfHex));
  return root !== null && hexOf(root) === proof.head.root;
}
