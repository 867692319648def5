import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';
import { withoutMapping } from './loopback.ts';
import type { PeerSocket } from './types.ts';

/**
 * The user id of the process at the other end of a loopback connection, from the kernel's socket tables
 * (/proc/net/tcp and tcp6, see proc_pid_net(5)); null when there is no such row or nobody holds the socket any more.
 * Reads synchronously: some 0.1 ms with a hundred sockets, so keep the answer with the connection. Linux only.
 *
 * A socket without an inode is refused: it was closed by its process, and older kernels print user 0 for it, so that
 * whoever connects, writes and closes at once would pass for root.
 */
export function peerUserId(socket: PeerSocket, readTable: (path: string) => string = readKernelTable): number | null {
  const peer = kernelForms(socket.remoteAddress, socket.remotePort);
  const own = kernelForms(socket.localAddress, socket.localPort);
  if (!peer || !own) return null;
  // The peer's socket has the peer's address as its local one. A client may use an IPv6 socket for IPv4.
  const places: [string, string | null, string | null][] = [['/proc/net/tcp', peer.version4, own.version4], ['/proc/net/tcp6', peer.version6, own.version6]];
  for (const [path, from, to] of places) {
    if (from === null || to === null) continue;
    const row = findRow(readTable(path), ` ${from} ${to} `);
    if (row) return row.inode === '0' ? null : Number(row.userId);
  }
  return null;
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

function readKernelTable(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // Not there (no IPv6) or not readable: then nobody is found, and nobody is trusted.
    return '';
  }
}
