import type { Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Log } from '../../base/observability/index.ts';
import type { Secrets } from '../../base/secrets.ts';
import type { Storage } from '../../base/storage/index.ts';
import { Submissions } from './anchoring.ts';
import type { Anchor } from './anchors/anchor.ts';
import { createHederaAnchor, describeHedera } from './anchors/hedera/anchor.ts';
import { createLocalAnchor } from './anchors/local-log.ts';
import { createLedgerKeys } from './keys.ts';
import { checkLog } from './log-check.ts';
import { createTranscriptLog } from './log.ts';
import { sealTranscript, type SealedBody } from './sealing.ts';
import type { AnchorRecord, AnchorStatus, Ledger, LedgerSettings, SealedTranscript } from './types.ts';
import { verifyTranscript } from './verify/index.ts';

export interface LedgerNeeds {
  storage: Storage;
  secrets: Secrets;
  clock: Clock;
  log: Log;
  settings: LedgerSettings;
}

/** Makes the ledger. Loads nothing and asks nobody until a transcript is handed over. */
export function createLedger({ storage, secrets, clock, log, settings }: LedgerNeeds): Ledger {
  const keys = createLedgerKeys({ storage, secrets, log });
  const transcripts = createTranscriptLog({ storage, clock });
  const local = createLocalAnchor(transcripts);
  const others: Anchor[] = settings.hedera === null ? [] : [createHederaAnchor({ settings: settings.hedera, clock })];
  const submissions = new Submissions({ storage, clock, log, describe: (anchor, progress) => (others.find(({ name }) => name === anchor)?.describe ?? describeHedera(anchor))(progress) });
  const recordOfLog = async (id: string): Promise<AnchorRecord | null> => {
    const proof = await transcripts.proof(id);
    return proof && { anchor: local.name, state: 'done', problem: null, ...local.describe({ ledger: proof.head.ledger }) };
  };
  const anchors = async (id: string): Promise<AnchorRecord[]> => {
    const [first, known] = await Promise.all([recordOfLog(id), submissions.records([id])]);
    return first ? [first, ...(known.get(id) ?? [])] : [];
  };
  const whole = async ({ entries, seal }: SealedBody): Promise<SealedTranscript> => ({
    format: 'parley-transcript', version: 1, entries, seal, log: (await transcripts.proof(seal.statement.session))!, anchors: await anchors(seal.statement.session),
  });
  return {
    name: 'ledger',
    async start() {
      await transcripts.start();
      await keys.reencrypt();
    },
    async stop() {
      await Promise.all(others.map((anchor) => anchor.stop()));
    },
    seal: async (transcript) => await whole(await sealTranscript({ storage, keys, log: transcripts }, transcript)),
    verify: verifyTranscript,
    async anchor(sealed, options = {}) {
      const id = sealed.seal.statement.session;
      const first = await recordOfLog(id);
      if (!first) throw new ParleyError('not_found', { message: 'No transcript of this session was sealed here.' });
      return [first, ...(await Promise.all(others.map((anchor) => submissions.submit(anchor, sealed, options))))];
    },
    anchors,
    submissions: (ids) => submissions.records(ids),
    checkAnchors: async (sealed, options = {}) =>
      await Promise.all([local, ...others].map(async (anchor) => {
        const within = AbortSignal.timeout(options.timeoutMs ?? anchor.timeoutMs);
        return await anchor.check(sealed, await submissions.progress(anchor, sealed.seal.statement.session), options.signal ? AbortSignal.any([within, options.signal]) : within);
      })),
    anchorStatus: () => [local.status(), ...(others.length > 0 ? others.map((anchor) => anchor.status()) : [hederaOff])],
    async transcript({ userId, role }, id) {
      const row = await storage.read.selectFrom('ledger_transcripts').select(['owner_id', 'body']).where('id', '=', id).executeTakeFirst();
      if (!row || (row.owner_id !== userId && role === 'user')) return null;
      return await whole(JSON.parse(row.body) as SealedBody);
    },
    keys: async () => ({ format: 'parley-ledger-keys', version: 1, ledger: await transcripts.id(), keys: await keys.list() }),
    rotateKey: async () => await storage.write(async (queries) => await keys.rotate(queries, (await transcripts.hold(queries)).now)),
    head: () => transcripts.head(),
    witness: (size) => transcripts.witness(size),
    checkLog: async () => await checkLog(storage, await transcripts.id(), await keys.list()),
  };
}

const hederaOff: AnchorStatus = { name: 'hedera', state: 'off', problem: 'HEDERA_ACCOUNT_ID, HEDERA_PRIVATE_KEY and HEDERA_TOPIC_ID are not set.' };
