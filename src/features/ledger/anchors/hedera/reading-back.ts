import { clockSkewMs } from '../../verify/index.ts';
import type { AnchorCheck } from '../../types.ts';
import { MirrorError, mirrorMessages, type MirrorMessage } from './mirror.ts';
import { initialOf, type HederaProgress } from './progress.ts';

type Outcome = Pick<AnchorCheck, 'outcome' | 'problem' | 'at'>;

/**
 * Reads the parts of a submission back from a mirror node, puts them together and compares: with the transcript, and with
 * what the receipts said.
 * @param sealedAt milliseconds since the epoch, when it is said to have been sealed
 */
export async function readBack(mirrorUrl: string, content: Buffer, progress: HederaProgress, sealedAt: number, signal: AbortSignal): Promise<Outcome> {
  const places = progress.parts.flatMap(({ sequence }) => (sequence === null ? [] : [sequence]));
  if (places.length === 0) return { outcome: 'missing', problem: 'No part of it was confirmed.', at: null };
  const found = new Map<number, MirrorMessage>();
  try {
    const filter = `sequencenumber=gte:${Math.min(...places)}&sequencenumber=lte:${Math.max(...places)}`;
    for await (const message of mirrorMessages(mirrorUrl, progress.topic, filter, signal)) found.set(message.sequence, message);
  } catch (error) {
    if (!(error instanceof MirrorError)) throw error;
    return { outcome: 'unreachable', problem: error.message, at: null };
  }
  return compare(content, progress, found, sealedAt);
}

function compare(content: Buffer, progress: HederaProgress, found: ReadonlyMap<number, MirrorMessage>, sealedAt: number): Outcome {
  const pieces: Buffer[] = [];
  let [first, last] = [Infinity, 0];
  for (const part of progress.parts) {
    const message = part.sequence === null ? undefined : found.get(part.sequence);
    if (!message) return { outcome: 'missing', problem: `Part ${part.number} of ${progress.parts.length} is not in the topic ${progress.topic}.`, at: null };
    if (message.initialTransactionId !== initialOf(progress) || message.number !== part.number || message.total !== progress.parts.length) {
      return { outcome: 'different', problem: `Message ${part.sequence} of the topic ${progress.topic} is not part ${part.number} of this transcript.`, at: null };
    }
    if (part.runningHash !== null && part.runningHash !== message.runningHash) {
      return { outcome: 'different', problem: `The running hash of message ${part.sequence} is not the one of the receipt: the mirror shows another topic.`, at: null };
    }
    pieces.push(message.bytes);
    [first, last] = [Math.min(first, message.consensusAt), Math.max(last, message.consensusAt)];
  }
  const at = new Date(last).toISOString();
  if (!Buffer.concat(pieces).equals(content)) return { outcome: 'different', problem: 'The parts in the topic are not this transcript.', at };
  if (first + clockSkewMs < sealedAt) return { outcome: 'different', problem: `The network had it at ${new Date(first).toISOString()}, before it is said to have been sealed: the clock of the server was wrong.`, at };
  return { outcome: 'same', problem: null, at };
}
