import { z } from 'zod';
import { request } from 'undici';

/** A mirror node cannot be asked, or says what it cannot mean. */
export class MirrorError extends Error {}

/** One message of a topic as a mirror node has it. */
export interface MirrorMessage {
  sequence: number;
  bytes: Buffer;
  /** Base64. */
  runningHash: string;
  /** Milliseconds since the epoch. */
  consensusAt: number;
  /** `account@seconds.nanoseconds`; null for a message in one part that names none. */
  initialTransactionId: string | null;
  number: number;
  total: number;
}

const page = z.object({
  messages: z.array(z.object({
    sequence_number: z.number().int(),
    message: z.string().max(20_000),
    running_hash: z.string().max(200),
    consensus_timestamp: z.string().regex(/^\d{1,12}\.\d{9}$/),
    chunk_info: z.object({
      initial_transaction_id: z.object({ account_id: z.string(), transaction_valid_start: z.string() }),
      number: z.number().int(),
      total: z.number().int(),
    }).nullish(),
  })).max(1000),
  links: z.object({ next: z.string().nullable() }).partial(),
});

/** Messages of one page: the most that mirror nodes give. */
const pageSize = 100;
/** Most pages of one question: a topic that others write to may hold much between our parts. */
const mostPages = 50;
const mostPageBytes = 4_000_000;
const timeoutMs = 15_000;

/**
 * Reads messages of a topic, in order, over the REST API of a mirror node.
 * @param filter such as `sequencenumber=gte:5`
 * @throws {MirrorError}
 */
export async function* mirrorMessages(baseUrl: string, topic: string, filter: string, signal: AbortSignal): AsyncGenerator<MirrorMessage> {
  const path = `/api/v1/topics/${topic}/messages`;
  let query = `?${filter}&limit=${pageSize}&order=asc`;
  for (let pages = 0; pages < mostPages; pages += 1) {
    const { messages, links } = await readPage(`${baseUrl}${path}${query}`, signal);
    for (const message of messages) {
      const { initial_transaction_id: initial, number, total } = message.chunk_info ?? { initial_transaction_id: null, number: 1, total: 1 };
      yield {
        sequence: message.sequence_number, bytes: Buffer.from(message.message, 'base64'), runningHash: message.running_hash,
        consensusAt: Math.floor(Number(message.consensus_timestamp) * 1000), number, total,
        initialTransactionId: initial && `${initial.account_id}@${withNanoseconds(initial.transaction_valid_start)}`,
      };
    }
    const next = links.next ?? null;
    if (next === null || messages.length === 0) return;
    // Only the query is taken over: an answer decides on no other address.
    const at = next.indexOf('?');
    if (at < 0) throw new MirrorError('The mirror node names a next page that is none.');
    query = next.slice(at);
  }
  throw new MirrorError(`The topic holds more than ${mostPages * pageSize} messages there; they were not all read.`);
}

async function readPage(url: string, signal: AbortSignal): Promise<z.output<typeof page>> {
  let text: string;
  let status: number;
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const response = await request(url, { signal: within, headers: { accept: 'application/json' }, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
    status = response.statusCode;
    text = await readBounded(response.body);
  } catch (error) {
    if (error instanceof MirrorError) throw error;
    throw new MirrorError(`The mirror node cannot be asked (${error instanceof Error ? error.message : 'unknown error'}).`, { cause: error });
  }
  // A topic nobody has written to is unknown to some mirror nodes.
  if (status === 404) return { messages: [], links: {} };
  if (status !== 200) throw new MirrorError(`The mirror node answered with ${status}.`);
  try {
    return page.parse(JSON.parse(text));
  } catch (error) {
    throw new MirrorError('The mirror node answered with something else than messages of a topic.', { cause: error });
  }
}

async function readBounded(body: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > mostPageBytes) throw new MirrorError('The mirror node sent more than a page may have.');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** `12.5` and `12.500000000` are the same time. */
function withNanoseconds(time: string): string {
  const [seconds, nanoseconds = ''] = time.split('.') as [string, string?];
  return `${seconds}.${nanoseconds.padEnd(9, '0')}`;
}
