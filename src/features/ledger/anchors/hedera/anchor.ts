import type { Clock } from '../../../../base/clock.ts';
import type { AnchorStatus, HederaSettings, SealedTranscript } from '../../types.ts';
import type { Anchor } from '../anchor.ts';
import { contentOf, digestOf } from './content.ts';
import { hashscanUrl } from './explorer.ts';
import { networkOf, wrongSetting, type HederaNetwork } from './network.ts';
import { findPart } from './part.ts';
import { readProgress, type HederaProgress } from './progress.ts';
import { readBack } from './reading-back.ts';
import { newProgress, submitParts } from './submission.ts';
import { TransactionIds } from './transaction-id.ts';
import { createChunkSender } from './worker-client.ts';

const name = 'hedera';

/** The Hedera Consensus Service: what is written there has a place and a time that no one server decides on. */
export function createHederaAnchor({ settings, clock }: { settings: HederaSettings; clock: Clock }): Anchor {
  const ids = new TransactionIds(clock);
  const network = networkOf(settings);
  const status = (): AnchorStatus => {
    const wrong = wrongSetting(settings);
    if (wrong !== null) return { name, state: 'misconfigured', problem: wrong };
    const part = findPart(settings.partFolders);
    return part.state === 'ready' ? { name, state: 'ready', problem: null } : { name, state: part.state, problem: part.problem };
  };
  const sender = createChunkSender(() => {
    const part = findPart(settings.partFolders);
    if (part.state !== 'ready' || network === null) throw new Error('The Hedera part went away.');
    const { accountId, privateKey, topicId } = settings;
    return { moduleUrl: part.moduleUrl, network: network.nodes ? null : network.name, nodes: network.nodes, accountId, privateKey, topicId };
  });
  return {
    name,
    timeoutMs: settings.timeoutMs,
    status,
    async submit(sealed, kept, run) {
      const { state, problem } = status();
      if (state !== 'ready') return { state: doneOf(kept) > 0 ? 'partial' : 'failed', progress: kept ?? {}, problem };
      const begun = begin(sealed, readProgress(kept), settings, network!);
      if (typeof begun === 'string') return { state: 'failed', progress: kept ?? {}, problem: begun };
      const content = contentOf(sealed, begun.content);
      return await submitParts({ clock, sender, ids, mirrorUrl: network!.mirrorUrl, timeoutMs: settings.timeoutMs }, content, begun, run);
    },
    describe: describeHedera(network?.name ?? 'unknown'),
    async check(sealed, kept, signal) {
      const progress = readProgress(kept);
      if (!progress) return { anchor: name, outcome: 'missing', problem: 'It was never submitted.', at: null };
      const content = contentOf(sealed, progress.content);
      if (digestOf(content) !== progress.digest) return { anchor: name, outcome: 'different', problem: 'What was submitted is not this transcript.', at: null };
      if (network?.name !== progress.network || network.mirrorUrl === null) return { anchor: name, outcome: 'unreachable', problem: `There is no mirror node for the network ${progress.network} in the settings.`, at: null };
      return { anchor: name, ...(await readBack(network.mirrorUrl, content, progress, Date.parse(sealed.seal.statement.sealed_at), signal)) };
    },
    stop: () => sender.stop(),
  };
}

/** What is known of a submission, which needs no settings. @param place said of one that was not begun */
export function describeHedera(place: string): Anchor['describe'] {
  return (kept) => {
    const progress = readProgress(kept);
    if (!progress) return { place, transactions: [], parts: null };
    const done = progress.parts.filter((part) => part.state === 'done');
    return {
      place: `${progress.network} topic ${progress.topic}`, parts: progress.parts.length,
      transactions: done.map(({ number, transactionId }) => ({ part: number, transaction_id: transactionId!, url: hashscanUrl(progress.network, transactionId!) })),
    };
  };
}

/** What was begun, if it is of the same bytes in the same place, or a new submission; a sentence when it cannot be. */
function begin(sealed: SealedTranscript, kept: HederaProgress | null, settings: HederaSettings, network: HederaNetwork): HederaProgress | string {
  const about = { network: network.name, topic: settings.topicId, payer: settings.accountId };
  if (kept && kept.network === about.network && kept.topic === about.topic && kept.payer === about.payer && digestOf(contentOf(sealed, kept.content)) === kept.digest) return kept;
  const fresh = newProgress(contentOf(sealed, settings.content), { ...about, content: settings.content });
  if (fresh.parts.length <= settings.mostChunks) return fresh;
  return `The transcript takes ${fresh.parts.length} messages of 1024 bytes; HEDERA_MAX_CHUNKS allows ${settings.mostChunks}. HEDERA_CONTENT=proof submits the seal alone.`;
}

function doneOf(kept: unknown): number {
  return readProgress(kept as Parameters<typeof readProgress>[0])?.parts.filter(({ state }) => state === 'done').length ?? 0;
}
