import { isoTime } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Storage } from '../../base/storage/index.ts';
import type { LedgerKeys } from './keys.ts';
import type { TranscriptLog } from './log.ts';
import { recordsOf } from './records.ts';
import { signValue } from './signing.ts';
import type { Entry, Seal, SealStatement, Transcript } from './types.ts';
import { canonicalJson, chainOf, digestOf, entriesOf, leafOf } from './verify/index.ts';

/** What is kept of a sealed transcript; the proof from the log is made when it is asked for. */
export interface SealedBody {
  entries: Entry[];
  seal: Seal;
}

/**
 * Seals a transcript and enters it into the log, in one transaction under the lock of the log, so that key, time and place
 * agree. Does nothing when the same was sealed before.
 * @throws {ParleyError} as `Ledger.seal`
 */
export async function sealTranscript({ storage, keys, log }: { storage: Storage; keys: LedgerKeys; log: TranscriptLog }, transcript: Transcript): Promise<SealedBody> {
  const records = recordsOf(transcript);
  // Hashing takes the longest and needs no lock.
  const chain = chainOf(records.map(digestOf));
  const entries = entriesOf(records, chain);
  return await storage.write(async (queries) => {
    const moment = await log.hold(queries);
    const before = await queries.selectFrom('ledger_log').leftJoin('ledger_transcripts', 'ledger_transcripts.id', 'ledger_log.transcript_id')
      .select(['ledger_transcripts.body', 'ledger_transcripts.owner_id']).where('ledger_log.transcript_id', '=', transcript.id).executeTakeFirst();
    if (before) return sealedBefore(before, transcript.ownerId, chain.root);
    const key = await keys.current(queries, moment.now);
    const statement: SealStatement = {
      format: 'parley-seal', version: 1, ledger: moment.ledger, session: transcript.id, key: key.id, sealed_at: isoTime(moment.now),
      records: chain.records, last: chain.last, root: chain.root,
    };
    const seal: Seal = { statement, public_key: key.publicKey, signature: signValue('transcript seal', statement, key.privateKey) };
    await log.append(queries, moment, { transcriptId: transcript.id, leaf: leafOf(seal) }, key);
    await queries.insertInto('ledger_transcripts').values({ id: transcript.id, owner_id: transcript.ownerId, body: canonicalJson({ entries, seal }) }).execute();
    return { entries, seal };
  });
}

function sealedBefore({ body, owner_id }: { body: string | null; owner_id: string | null }, ownerId: string, root: string): SealedBody {
  const sealed = body === null ? null : (JSON.parse(body) as SealedBody);
  if (sealed && owner_id === ownerId && sealed.seal.statement.root === root) return sealed;
  throw new ParleyError('conflict', { message: 'A transcript of this session was sealed before, and it was another one.' });
}
