import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TopicMessage } from './network.ts';

/** The REST API of a mirror node, as far as messages of a topic go. */
export interface Mirror {
  url: string;
  /** Addresses that were asked for. */
  asked: string[];
  /** What a mirror that lies shows in place of a message; null leaves it out. */
  shows: (message: TopicMessage) => TopicMessage | null;
  /** Status with which it answers everything, or null. */
  brokenWith: number | null;
  close(): Promise<void>;
}

export async function startMirror(topic: string, messages: readonly TopicMessage[]): Promise<Mirror> {
  const mirror: Mirror = { url: '', asked: [], shows: (message) => message, brokenWith: null, close: async () => undefined };
  const server = createServer((request, response) => {
    const url = new URL(request.url!, 'http://mirror');
    mirror.asked.push(request.url!);
    const isTopic = url.pathname === `/api/v1/topics/${topic}/messages`;
    const status = mirror.brokenWith ?? (isTopic ? 200 : 404);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(status === 200 ? pageOf(messages, mirror, url) : { _status: { messages: [{ message: 'Not found' }] } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  mirror.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  mirror.close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return mirror;
}

function pageOf(messages: readonly TopicMessage[], mirror: Mirror, url: URL): object {
  const limit = Number(url.searchParams.get('limit') ?? 25);
  const bounds = url.searchParams.getAll('sequencenumber').map((bound) => bound.split(':') as [string, string]);
  const times = url.searchParams.getAll('timestamp').map((bound) => bound.split(':') as [string, string]);
  const fits = ({ sequence, consensusAt }: TopicMessage): boolean =>
    bounds.every(([kind, bound]) => (kind === 'gte' ? sequence >= Number(bound) : kind === 'gt' ? sequence > Number(bound) : sequence <= Number(bound))) && times.every(([kind, bound]) => (kind === 'gte' ? timeOf(consensusAt) >= bound : timeOf(consensusAt) <= bound));
  const shown = messages.filter(fits);
  const page = shown.slice(0, limit);
  const next = new URL(url);
  next.searchParams.append('sequencenumber', `gt:${page.at(-1)?.sequence}`);
  return {
    messages: page.map((message) => mirror.shows(message)).filter((message) => message !== null).map((message) => ({
      chunk_info: message.chunk && {
        initial_transaction_id: { account_id: message.chunk.initialTransactionId.split('@')[0], nonce: 0, scheduled: false, transaction_valid_start: message.chunk.initialTransactionId.split('@')[1] },
        number: message.chunk.number, total: message.chunk.total,
      },
      consensus_timestamp: timeOf(message.consensusAt), message: message.bytes.toString('base64'), payer_account_id: message.transactionId.split('@')[0],
      running_hash: message.runningHash.toString('base64'), running_hash_version: 3, sequence_number: message.sequence, topic_id: url.pathname.split('/')[4],
    })),
    links: { next: shown.length > limit ? `${next.pathname}${next.search}` : null },
  };
}

function timeOf(nanoseconds: bigint): string {
  return `${nanoseconds / 1_000_000_000n}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}`;
}
