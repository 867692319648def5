import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';
import { withoutMapping } from './loopback.ts';
import type { PeerSocket } from './types.ts';

/**
 * Tells whose process is at the other end of a loopback connection: the user id in the kernel's socket tables
 * (/proc/net/tcp and tcp6, see proc_pid_net(5)); null when there is no such row or nobody holds the socket any more.
 * Linux only.
 *
 * A socket without an inode is refused: it was closed by its process, and older kernels print user 0 for it, so that
 * whoever connects, writes and closes at once would pass for root.
 *
 * For one answer the kernel walks its whole table of connections: 1 to 3 ms where that has 262,144 places (64 GB of
 * memory). So keep the answer with the connection.
 */
export interface PeerLookup {
  /** Reads at once; holds everything else up meanwhile. */
  ofPeer(socket: PeerSocket): number | null;
  /** Reads in the background, once for all who ask before a reading begins. */
  ofPeerLater(socket: PeerSocket): Promise<number | null>;
}

type Table = 'tcp' | 'tcp6';

/** @param read for tests: the text of a table, empty when it cannot be read */
export function createPeerLookup(read: { now(table: Table): string; later(table: Table): Promise<string> } = kernelTables): PeerLookup {
  const shared = { tcp: shareReading(() => read.later('tcp')), tcp6: shareReading(() => read.later('tcp6')) };
  return {
    ofPeer(socket) {
      for (const { table, addresses } of placesOf(socket)) {
        const row = findRow(read.now(table), addresses);
        if (row) return holderOf(row);
      }
      return null;
    },
    async ofPeerLater(socket) {
      for (const { table, addresses } of placesOf(socket)) {
        const row = findRow(await shared[table](), addresses);
        if (row) return holderOf(row);
      }
      return null;
    },
  };
}

/** Who asks gets a reading that begins after the question: an older one could show who had the same ports before. */
function shareReading(read: () => Promise<string>): () => Promise<string> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<string> | null = null;
  return () => {
    next ??= running.then(() => {
      next = null;
      const reading = read();
      running = reading;
      return reading;
    });
    return next;
  };
}

/** Where the row of the peer's socket may stand: the peer's address is its local one. A client may use an IPv6 socket for IPv4. */
function placesOf(socket: PeerSocket): { table: Table; addresses: string }[] {
  const peer = kernelForms(socket.remoteAddress, socket.remotePort);
  const own = kernelForms(socket.localAddress, socket.localPort);
  if (!peer || !own) return [];
  const version6: { table: Table; addresses: string } = { table: 'tcp6', addresses: ` ${peer.version6} ${own.version6} ` };
  if (peer.version4 === null || own.version4 === null) return [version6];
  return [{ table: 'tcp', addresses: ` ${peer.version4} ${own.version4} ` }, version6];
}

function holderOf(row: { userId: string; inode: string }): number | null {
  return row.inode === '0' ? null : Number(row.userId);
}

function findRow(table: string, addresses: string): { userId: string; inode: string } | null {
  const at = table.indexOf(addresses);
  if (at < 0) return null;
  const end = table.indexOf('\n', at);
  // Behind the addresses: state, queues, timer, retransmits, user id, timeout, inode.
  const fields = table.slice(at + addresses.length, end < 0 ? undefined : end).trim().split(/\s+/);
  const [userId, inode] = [fields[4], fields[6]];
  return userId !== undefined && inode !== undefined ? { userId, inode } : null;
}

/** Address and port as the tables print them: hexadecimal, each 32-bit word of the address in the order of the processor. */
function kernelForms(address: string | undefined, port: number | undefined): { version4: string | null; version6: string } | null {
  if (address === undefined || port === undefined) return null;
  const plain = withoutMapping(address);
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  if (plain === '::1') return { version4: null, version6: [0, 0, 0, 1].map(kernelWord).join('') + suffix };
  if (!isIPv4(plain)) return null;
  const word = plain.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return { version4: kernelWord(word) + suffix, version6: [0, 0, 0xffff, word].map(kernelWord).join('') + suffix };
}

function kernelWord(word: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(word);
  if (endianness() === 'LE') bytes.reverse();
  return bytes.toString('hex').toUpperCase();
}

/** A table that is not there (no IPv6) or not readable is empty: then nobody is found, and nobody is trusted. */
const kernelTables = {
  now(table: Table): string {
    try {
      return readFileSync(`/proc/net/${table}`, 'latin1');
    } catch {
      return '';
    }
  },
  later: (table: Table): Promise<string> => readFile(`/proc/net/${table}`, 'latin1').catch(() => ''),
};
